-- Leases of the permits of one budget: a sorted set of ids, by the time in ms at which they expire.
-- It uses the commands of the other scripts only.
--
-- KEYS[1]: the key of the budget.
-- ARGV[1]: packed, what to do, the maximum, the time to live in ms, the number of ids to take or to
-- extend, and that of those to release; then the ids, 8 bytes each.
local call = redis.call
local key = KEYS[1]
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local action, max, ttl, held, released = struct.unpack('>BI8I8I4I4', ARGV[1])

-- Adds the ids from the index `first` on, with a time at which they expire.
local function add(first, count, expires_at)
  for index = first, first + count - 1 do
    local at = 26 + index * 8
    call('ZADD', key, expires_at, string.sub(ARGV[1], at, at + 7))
  end
end

add(held, released, 0)
call('ZREMRANGEBYSCORE', key, '-inf', now)
if action == 0 then
  -- Whether there is a lease at the last place.
  local last = string.format('%.0f', max - 1)
  if #call('ZRANGE', key, last, last) > 0 then
    return 0
  end
end
if held > 0 then
  add(0, held, now + ttl)
  call('PEXPIRE', key, ttl)
end
return 1
