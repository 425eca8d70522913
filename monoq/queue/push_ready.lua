-- Appends ids to the runway as far as there is room.
-- KEYS[1]  the list
-- ARGV[1]  how long the list may become
-- ARGV[2…] ids
-- Returns  the number of ids appended; the rest wait in Postgres for the stager.
local list, capacity = KEYS[1], tonumber(ARGV[1])
local room = capacity - redis.call('LLEN', list)
local appended = math.max(0, math.min(room, #ARGV - 1))
-- unpack() takes a few thousand values at most.
for first = 2, appended + 1, 1000 do
  redis.call('RPUSH', list, unpack(ARGV, first, math.min(first + 999, appended + 1)))
end
return appended
