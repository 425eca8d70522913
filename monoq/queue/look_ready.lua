-- How long the runway is, and how many ids were ever taken off it.
-- KEYS[1] the list
-- KEYS[2] the count
-- Returns {length, count}
local taken = redis.pcall('GET', KEYS[2])
return {redis.call('LLEN', KEYS[1]), tonumber(taken) or 0}
