-- Replaces server_clock.lua in tests. The time is the last argument, and keys expire by that time:
-- `key~` holds the time at which `key` expires.
local now = tonumber(ARGV[#ARGV])

local function set_ttl(key, ms)
  -- The server also deletes both keys, a real day later.
  call('SET', key .. '~', now + ms * 1000, 'EX', 86400)
  call('PEXPIRE', key, 86400000)
end

local function get_ttl(key)
  local expires_at = call('GET', key .. '~')
  if call('EXISTS', key) == 0 then
    return -2
  end
  return expires_at and math.ceil((expires_at - now) / 1000) or -1
end

local function delete_if_expired(key)
  local expires_at = call('GET', key .. '~')
  if expires_at and tonumber(expires_at) <= now then
    call('DEL', key, key .. '~')
  end
end
