-- Records the strategies and windows in use, so that any process can name the keys of a budget.
--
-- KEYS: a sorted set. A member is a letter and a window in ms, such as `m60000`. Its score is the
-- time in ms at which the last budget of this kind has expired.
-- ARGV: the maximum number of members; then for each window: the member, and the time in ms for
-- which budgets of this kind can exist from now on.
local set, max = KEYS[1], tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', set, '-inf', now)
for arg = 2, #ARGV, 2 do
  redis.call('ZADD', set, 'GT', now + ARGV[arg + 1], ARGV[arg])
end
-- Those that expire first go first.
redis.call('ZREMRANGEBYRANK', set, 0, -1 - max)
local last = redis.call('ZRANGE', set, -1, -1, 'WITHSCORES')
redis.call('PEXPIRE', set, last[2] - now)
