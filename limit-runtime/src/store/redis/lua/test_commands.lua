-- Replaces commands.lua in tests. The time is the last argument, and keys expire by that time. The
-- key `key~` holds the time at which `key` expires.
local requests = #ARGV - 1

local function call_as_at(redis_call, name, key, ...)
  local time = tonumber(ARGV[#ARGV])
  if name == 'TIME' then
    return { math.floor(time / 1000000), time % 1000000 }
  end
  local expires_at = redis.call('GET', key .. '~')
  if expires_at and tonumber(expires_at) <= time then
    redis.call('DEL', key, key .. '~')
    expires_at = false
  end
  if name == 'PTTL' then
    if redis.call('EXISTS', key) == 0 then
      return -2
    end
    return expires_at and math.ceil((expires_at - time) / 1000) or -1
  end
  local args = { ... }
  local ttl = name == 'PEXPIRE' and args[1]
  for index = 2, #args do
    if name == 'SET' and args[index - 1] == 'PX' then
      ttl = args[index]
      -- The server also deletes both keys, a real day later.
      args[index] = 86400000
    end
  end
  local result
  if name == 'PEXPIRE' then
    result = redis_call('PEXPIRE', key, 86400000)
  else
    result = redis_call(name, key, unpack(args))
  end
  if ttl and result and redis.call('EXISTS', key) == 1 then
    redis.call('SET', key .. '~', time + ttl * 1000, 'EX', 86400)
  end
  return result
end

local function call(...)
  return call_as_at(redis.call, ...)
end

local function try_call(...)
  return call_as_at(redis.pcall, ...)
end
