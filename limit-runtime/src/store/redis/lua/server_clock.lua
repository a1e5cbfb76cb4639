-- The server's time in microseconds. It does not change while a script runs.
local time = call('TIME')
local now = time[1] * 1000000 + time[2]

-- Sets the time to live of a key, in milliseconds.
local function set_ttl(key, ms)
  call('PEXPIRE', key, ms)
end

-- The time to live of a key, in milliseconds: -1 if the key does not expire, -2 if there is no key.
local function get_ttl(key)
  return call('PTTL', key)
end

-- Nothing to do: the server deletes expired keys by itself.
local function delete_if_expired(_) end
