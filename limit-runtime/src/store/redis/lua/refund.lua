-- Gives costs back.
--
-- KEYS: one for each limit of each charge. ARGV: for each the strategy, count, window in us, cost,
-- burst and the time at which the charge was consumed.
for index = 1, #KEYS do
  local arg = 6 * (index - 1)
  local function number(place)
    return tonumber(ARGV[arg + place])
  end
  local strategy = strategies[number(1)]
  strategy.refund(KEYS[index], number(3), number(4), number(6), number(2))
end

return now
