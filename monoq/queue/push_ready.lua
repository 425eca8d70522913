-- Takes the ids of jobs that were just stored, as far as nobody else waits for the room.
-- KEYS[1] the list
-- KEYS[2] set while more jobs wait than the list holds: then what is next is for a look to say
-- KEYS[3] how many ids were put in front since the last look
-- KEYS[4] the list for others than the tenants that hold all they may of some worker
-- KEYS[5] these tenants
-- KEYS[6] set to 'looking' while a process looks for what is next: see look_ready.lua
-- KEYS[7] the ids pushed meanwhile, "<" before those for the front and ">" before the others
-- ARGV[1] how long the list may become
-- ARGV[2] "id,id,…": 36 characters and a comma each, for the end of the list
-- ARGV[3] the same, of tenants that had nothing here a moment ago: for its front, if it is not empty
-- ARGV[4] how many may be put in front between two looks
-- Returns the number of ids that went in; the rest wait in Postgres for the stager.
local list, length = KEYS[1], redis.call('LLEN', KEYS[1])
local is_looked_at = redis.pcall('GET', KEYS[6]) == 'looking'
local function add(command, side, text, room)
  local added = math.max(0, math.min(room, (#text + 1) / 37))
  for first = 1, added, 1000 do -- unpack() takes a few thousand values at most
    local ids = {}
    for n = first, math.min(first + 999, added) do
      ids[#ids + 1] = string.sub(text, 37 * n - 36, 37 * n - 1)
    end
    redis.call(command, list, unpack(ids))
    if is_looked_at then
      for n, id in ipairs(ids) do ids[n] = side .. id end
      redis.call('RPUSH', KEYS[7], unpack(ids))
      redis.call('PEXPIRE', KEYS[7], 1000)
    end
  end
  return added
end
local added = 0
if length == 0 then
  added = add('RPUSH', '<', ARGV[3], tonumber(ARGV[1]))
elseif #ARGV[3] > 0 then
  local fronted = redis.pcall('GET', KEYS[3])
  if type(fronted) ~= 'string' then fronted = 0 end
  added = add('LPUSH', '<', ARGV[3], tonumber(ARGV[4]) - (tonumber(fronted) or 0))
  redis.call('SET', KEYS[3], (tonumber(fronted) or 0) + added, 'PX', 1000)
end
if #ARGV[3] > 0 and redis.call('EXISTS', KEYS[5]) == 1 then
  local room = tonumber(ARGV[4]) - redis.call('LLEN', KEYS[4])
  for first = 1, math.min(#ARGV[3], 37 * room), 37 do
    redis.call('RPUSH', KEYS[4], string.sub(ARGV[3], first, first + 35))
  end
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  added = added + add('RPUSH', '>', ARGV[2], tonumber(ARGV[1]) - length - added)
end
return added
