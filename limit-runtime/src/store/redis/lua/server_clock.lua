-- Time is the server's, in whole microseconds; it stands still while a script runs.
local time = call('TIME')
local now = time[1] * 1000000 + time[2]

-- The key lives `ms` milliseconds from now.
local function keep(key, ms)
  call('PEXPIRE', key, ms)
end

-- How many milliseconds the key has left: -1 if it would stay for ever, -2 if there is none.
local function left(key)
  return call('PTTL', key)
end

-- Forgets a key whose time is up: the server does so by itself.
local function ripe(key) end
