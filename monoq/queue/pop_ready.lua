-- Takes ids off the runway. What cannot be an id is dropped here, so that a megabyte of junk never travels.
-- KEYS[1] the list
-- KEYS[2] the count of all that were ever taken
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
-- A Redis that is full, or has something else there, refuses to count: that must not lose what was popped.
if #ids > 0 then redis.pcall('INCRBY', KEYS[2], #ids) end
return {redis.call('LLEN', list), table.concat(ids, ',')}
