-- Takes ids off the list. What cannot be an id is dropped here, so that a megabyte of junk never travels.
-- KEYS[1] the list
-- KEYS[2] the count of all ids ever taken off it
-- KEYS[3] set while more jobs wait than the list holds
-- KEYS[4] the ids popped last: see place_ready.lua
-- ARGV[1] how many ids, at most
-- Returns {number of entries left, "id,id,…"}
local list, most = KEYS[1], tonumber(ARGV[1])
local ids = {}
while #ids < most do
  local popped = redis.call('LPOP', list, most - #ids)
  if not popped then break end
  for _, id in ipairs(popped) do
    if #id == 36 then ids[#ids + 1] = id end
  end
end
local text = table.concat(ids, ',')
-- A Redis that is full, or has something else there, refuses these: that must not lose what was popped.
if #ids > 0 then
  redis.pcall('INCRBY', KEYS[2], #ids)
  if redis.call('EXISTS', KEYS[3]) == 1 then
    redis.pcall('LPUSH', KEYS[4], text)
    redis.pcall('LTRIM', KEYS[4], 0, 63)
    redis.pcall('PEXPIRE', KEYS[4], 1000)
  end
end
return {redis.call('LLEN', list), text}
