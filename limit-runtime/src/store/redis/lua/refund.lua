-- Gives back units of one charge.
--
-- KEYS: one key for each limit of the charge, and the key of its id, if it has one. If the key of
-- the id exists already, nothing is given back.
-- ARGV[1]: packed, the number of limits, and the time to live of the id in ms, or 0 without id;
-- then for each limit the index of the strategy, the count, the window in us, the cost, and the
-- time at which the charge was consumed.
local pack, unpack_ = struct.pack, struct.unpack
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local limits, id_ttl = unpack_('>I4I8', ARGV[1])

if id_ttl > 0 and not call('SET', KEYS[limits + 1], '', 'NX', 'PX', id_ttl) then
  return now
end

$functions

local arg = 13
for index = 1, limits do
  local number, count, window, cost, at
  number, count, window, cost, at, arg = unpack_('>BI8I8I8I8', ARGV[1], arg)
  strategies[number].refund(KEYS[index], window, cost, at, count)
end

return now
