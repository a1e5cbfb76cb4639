-- Answers one request with a fixed number of limits of one strategy, each with a key of its own.
-- The text of a strategy has three steps, which are written out for each limit, with its number in
-- place of `@`:
--   read: sets `wait@`; breaks if the state is a rare one
--   plan: sets what the answer has, and what is to be written; breaks if a number is too large
--   write: saves the new state
repeat
  local action, $arguments = unpack_('$unpack', ARGV[index])
  $read
  local is_allowed = $is_allowed
  local consumes = action == 2 or (action == 0 and is_allowed)
  $plan
  $write
  answer = pack('$pack', now, consumes and 1 or 0, $results)
until true
