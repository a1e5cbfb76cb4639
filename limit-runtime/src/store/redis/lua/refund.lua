-- Gives back units of one charge.
--
-- KEYS: one key for each limit of the charge.
-- ARGV: for each limit the index of the strategy, the count, the window in us, the cost, the burst,
-- and the time at which the charge was consumed.
for index = 1, #KEYS do
  local arg = 6 * (index - 1)
  local function number(place)
    return tonumber(ARGV[arg + place])
  end
  local strategy = strategies[number(1)]
  strategy.refund(KEYS[index], number(3), number(4), number(6), number(2))
end

return now
