-- Appends ids to the runway as far as there is room.
-- KEYS[1] the list
-- ARGV[1] how long the list may become
-- ARGV[2] "id,id,…": 36 characters and a comma each
-- Returns the number of ids appended; the rest wait in Postgres for the stager.
local list, capacity, text = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local room = capacity - redis.call('LLEN', list)
local appended = math.max(0, math.min(room, (#text + 1) / 37))
-- unpack() takes a few thousand values at most.
for first = 1, appended, 1000 do
  local ids = {}
  for n = first, math.min(first + 999, appended) do
    ids[#ids + 1] = string.sub(text, 37 * n - 36, 37 * n - 1)
  end
  redis.call('RPUSH', list, unpack(ids))
end
return appended
