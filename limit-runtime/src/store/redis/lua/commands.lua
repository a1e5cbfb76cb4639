-- The commands of the server, and the number of requests.
local call, try_call = redis.call, redis.pcall
local requests = #ARGV
