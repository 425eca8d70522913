-- What is on the runway, without what cannot be an id.
-- KEYS[1] the list
-- ARGV[1] how many entries to look at, at most
-- Returns "id,id,…"
local ids = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)) do
  if #id == 36 then ids[#ids + 1] = id end
end
return table.concat(ids, ',')
