-- Checks requests one after the other.
--
-- KEYS: the keys of each request. ARGV: the requests, packed as check.lua states.
-- Returns the answer to the request or its error; for several requests, a list of them.
--
-- The lean text answers requests in the common states of a strategy, without a function. In all
-- other states it sets no answer, and has changed nothing but to remove expired entries. Then the
-- functions of the general text are made, which answer in all states.
local pack, unpack_ = struct.pack, struct.unpack
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local reply, key, general = {}, 0, nil

for index = 1, requests do
  local answer
  $lean
  if not answer then
    if not general then
      $general
      general = check
    end
    local is_ok
    -- An error concerns only the request that it occurs in.
    is_ok, answer = pcall(general, ARGV[index], key)
    if not is_ok and type(answer) ~= 'table' then
      answer = { err = tostring(answer) }
    end
  end
  if requests == 1 then
    return answer
  end
  reply[index] = answer
  key = key + $limits
end

return reply
