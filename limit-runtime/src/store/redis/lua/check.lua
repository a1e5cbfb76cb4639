-- Checks one request, and consumes from all of its limits or from none.
--
-- `request` is packed: the action (0 consume, 1 peek, 2 force), the number of limits, and the
-- number of ids; then for each limit:
--   the index of the strategy, the count, the window in us, the cost, and the capacity of a bucket;
-- then for each id: the first and the last limit of its charge, and the time to live in ms.
-- The keys after `key` are those of the limits, and then those of the ids. A charge is not counted
-- if the key of its id exists already.
--
-- Returns the packed answer: the time, and 1 if it consumed, else 0; then for each limit:
--   the units that remain, the time until all are available, the time to wait (0 if there is room,
--   -1 if the cost exceeds the capacity), and the time until more units remain.
local function check(request, key)
  local action, limits, ids, arg = unpack_('>BI4I4', request)
  local counted, new_ids = {}, {}
  local id_arg = arg + 33 * limits
  for id = 1, ids do
    local first, last, ttl
    first, last, ttl, id_arg = unpack_('>I4I4I8', request, id_arg)
    local name = KEYS[key + limits + id]
    -- Several charges of one request can have one id.
    if new_ids[name] or call('SET', name, '', 'NX', 'PX', ttl) then
      new_ids[name] = true
    else
      for index = first, last do
        counted[index] = true
      end
    end
  end
  local allowed = true
  local budgets, costs, counts, bursts, opened = {}, {}, {}, {}, {}
  local answer = {}
  for index = 1, limits do
    local name = KEYS[key + index]
    local number, count, window, cost, burst
    number, count, window, cost, burst, arg = unpack_('>BI8I8I8I8', request, arg)
    local strategy = strategies[number]
    if counted[index] then
      cost = 0
    end
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
    local place = 4 * (index - 1)
    answer[place + 1], answer[place + 2], answer[place + 3] = remaining, reset, wait
  end
  local consumes = action == 2 or (action == 0 and allowed)
  if consumes then
    for index = 1, limits do
      local budget, cost = budgets[index], costs[index]
      if cost > 0 then
        budget.strategy.record(budget.state, cost, counts[index])
      end
    end
    for index = 1, limits do
      local budget, place = budgets[index], 4 * (index - 1)
      if budget.taken > 0 then
        answer[place + 1] = math.max(answer[place + 1] - budget.taken, 0)
        answer[place + 2] = budget.strategy.reset_after(budget.state)
      end
    end
  end
  for index = 1, limits do
    local budget = budgets[index]
    local next_after = budget.strategy.next_after(budget.state, counts[index], bursts[index])
    answer[4 * index] = next_after
  end
  local format = '>I8B' .. string.rep('I8I8i8I8', limits)
  return pack(format, now, consumes and 1 or 0, unpack(answer))
end
