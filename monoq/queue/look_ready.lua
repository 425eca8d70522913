-- Asks whether it is time to look for what is next, and says who looks: one process at a time.
-- KEYS[1] the list
-- KEYS[2] the count of all ids ever taken off it
-- KEYS[3] set to 'looking' by whoever looks, and to 'rest' after it
-- KEYS[4] the tenants that hold all they may of some worker: see note_full.lua
-- KEYS[5] the ids pushed while somebody looks: see push_ready.lua
-- ARGV[1] below this length a look is due at once
-- ARGV[2] how long a look may take, in ms, before another process looks too
-- Returns {1 if the caller is to look now, the length, the count, these tenants}
local length = redis.call('LLEN', KEYS[1])
local state = redis.pcall('GET', KEYS[3])
local go = 1
if state == 'looking' or (state == 'rest' and length >= tonumber(ARGV[1])) then
  go = 0
else
  redis.pcall('SET', KEYS[3], 'looking', 'PX', ARGV[2])
  redis.pcall('DEL', KEYS[5])
end
local taken = redis.pcall('GET', KEYS[2])
if type(taken) ~= 'string' then taken = 0 end
local full = redis.pcall('ZRANGE', KEYS[4], 0, -1)
if full.err then full = {} end
return {go, length, tonumber(taken) or 0, full}
