-- Runs each command that the other scripts use once, on a key that expires at once, so that a
-- missing command or permission shows when the connection is opened.
--
-- KEYS: the key of the probe.
local call = redis.call
local key = KEYS[1]
call('TIME')
call('DEL', key)
call('RPUSH', key, struct.pack('>I4I4', 0, 0), struct.pack('>I4I4', 0, 1))
call('PEXPIRE', key, 1000)
call('PTTL', key)
call('LLEN', key)
call('LINDEX', key, -1)
call('LRANGE', key, 0, 2)
call('LSET', key, -1, struct.pack('>I4I8', 0, 1))
call('LTRIM', key, 0, 0)
call('LPOP', key)
call('SET', key, struct.pack('>I8I8', 0, 1))
call('PEXPIRE', key, 1000)
call('GET', key)
call('DEL', key)
call('ZADD', key, 'GT', 1, 'm1000')
call('ZRANGE', key, -1, -1, 'WITHSCORES')
call('ZREMRANGEBYSCORE', key, '-inf', 0)
call('ZREMRANGEBYRANK', key, 0, 0)
call('DEL', key)
return 1
