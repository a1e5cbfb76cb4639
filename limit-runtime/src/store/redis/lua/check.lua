-- Checks requests one after the other. Each request consumes from all of its limits or from none.
--
-- KEYS: one key for each limit of each request.
-- ARGV: the number of requests; then for each request:
--   the action (0 consume, 1 peek, 2 force) and the number of limits; then for each limit:
--     the index of the strategy, the count, the window in us, the cost, and the burst.
-- Returns a list of integers: the time; then for each request:
--   1 if it consumed, else 0; then for each limit:
--     the units that remain, the time until all are available, the time to wait (0 if there is
--     room, -1 if the cost exceeds the capacity), and the time until more units remain.
local reply = { now }
local key, arg = 0, 1

for _ = 1, tonumber(ARGV[1]) do
  local action, limits = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  arg = arg + 2
  local allowed = true
  local budgets, costs, counts, bursts, opened, at = {}, {}, {}, {}, {}, #reply + 1
  for index = 1, limits do
    key = key + 1
    local name = KEYS[key]
    local strategy = strategies[tonumber(ARGV[arg + 1])]
    local count, window = tonumber(ARGV[arg + 2]), tonumber(ARGV[arg + 3])
    local cost, burst = tonumber(ARGV[arg + 4]), tonumber(ARGV[arg + 5])
    arg = arg + 5
    -- Two charges can use one budget. The later one is checked as if the earlier one had consumed.
    -- A cost of 0 checks whether one unit is left.
    local budget = opened[name]
    if not budget then
      budget = { strategy = strategy, state = strategy.open(name, window, count), taken = 0 }
      opened[name] = budget
    end
    local wanted = math.max(cost, 1) + budget.taken
    local remaining, reset, wait = strategy.assess(budget.state, count, wanted, burst)
    budget.taken = budget.taken + cost
    allowed = allowed and wait == 0
    budgets[index], costs[index], counts[index], bursts[index] = budget, cost, count, burst
    local place = at + 4 * (index - 1)
    reply[place + 1], reply[place + 2], reply[place + 3] = remaining, reset, wait
  end
  local consumes = action == 2 or (action == 0 and allowed)
  reply[at] = consumes and 1 or 0
  if consumes then
    for index = 1, limits do
      local budget, cost = budgets[index], costs[index]
      if cost > 0 then
        budget.strategy.record(budget.state, cost, counts[index])
      end
    end
    for index = 1, limits do
      local budget, place = budgets[index], at + 4 * (index - 1)
      if budget.taken > 0 then
        reply[place + 1] = math.max(reply[place + 1] - budget.taken, 0)
        reply[place + 2] = budget.strategy.reset_after(budget.state)
      end
    end
  end
  for index = 1, limits do
    local budget = budgets[index]
    local next_after = budget.strategy.next_after(budget.state, counts[index], bursts[index])
    reply[at + 4 * index] = next_after
  end
end

return reply
