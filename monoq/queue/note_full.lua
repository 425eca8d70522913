-- Says which tenants hold all they may of a worker: what is left of it is for others.
-- KEYS[1] these tenants, by the time, in ms, when it was last said
-- ARGV the tenants
local time = redis.call('TIME')
local now = 1000 * time[1] + math.floor(time[2] / 1000)
for _, tenant in ipairs(ARGV) do redis.call('ZADD', KEYS[1], now, tenant) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 1000)
redis.call('PEXPIRE', KEYS[1], 1000)
