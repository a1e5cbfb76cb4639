-- In place of server_clock.lua: time is the last argument, and keys end by it.
local now = tonumber(ARGV[#ARGV])

local function keep(key, ms)
  call('SET', key .. '~', now + ms * 1000, 'EX', 86400)
  call('PEXPIRE', key, 86400000)
end

local function left(key)
  local till = call('GET', key .. '~')
  if call('EXISTS', key) == 0 then
    return -2
  end
  return till and math.ceil((till - now) / 1000) or -1
end

local function ripe(key)
  local till = call('GET', key .. '~')
  if till and tonumber(till) <= now then
    call('DEL', key, key .. '~')
  end
end
