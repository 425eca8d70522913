-- Puts the list in order: what a look found takes the place of what stood there.
-- KEYS[1] the list
-- KEYS[2] 'looking' or 'rest': see look_ready.lua
-- KEYS[3] set while more jobs wait than the list holds
-- KEYS[4] how many ids were put in front since the last look
-- KEYS[5] the ids popped last, a text of "id,id,…" a pop
-- KEYS[6] the ids pushed since the look began: see push_ready.lua
-- ARGV[1] "id,id,…": 36 characters and a comma each
-- ARGV[2] 'instead' of what stands there, 'behind' it or 'in front'
-- ARGV[3] '1' if more jobs wait
-- ARGV[4] for how long, in ms, a look need not be repeated
-- Returns the length of the list.
local list, text = KEYS[1], ARGV[1]
-- Ids that were popped a moment ago still waited when the look was made: in front of the list they
-- would cost whole batches of misses.
local popped, known = {}, 0
local chunks = redis.pcall('LRANGE', KEYS[5], 0, 63)
if type(chunks) == 'table' and not chunks.err then
  for _, chunk in ipairs(chunks) do
    if known > 4000 then break end
    for at = 1, #chunk, 37 do
      popped[string.sub(chunk, at, at + 35)] = true
      known = known + 1
    end
  end
end
local how, command = ARGV[2], 'RPUSH'
-- The jobs that were stored after the look had read the table are on the list that it replaces.
local pushed, unseen = {}, {}
if how == 'instead' then
  pushed = redis.pcall('LRANGE', KEYS[6], 0, -1)
  if pushed.err then pushed = {} end
  for _, entry in ipairs(pushed) do unseen[string.sub(entry, 2)] = true end
  redis.call('DEL', list)
end
local first, last, step = 1, #text, 37
if how == 'in front' then -- the last one first
  command, first, last, step = 'LPUSH', #text - 35, 1, -37
end
local batch = {}
for at = first, last, step do
  local id = string.sub(text, at, at + 35)
  unseen[id] = nil
  if not popped[id] then
    batch[#batch + 1] = id
    if #batch == 1000 then -- unpack() takes a few thousand values at most
      redis.call(command, list, unpack(batch))
      batch = {}
    end
  end
end
if #batch > 0 then redis.call(command, list, unpack(batch)) end
for _, entry in ipairs(pushed) do
  local id = string.sub(entry, 2)
  if unseen[id] and not popped[id] then
    redis.call(string.sub(entry, 1, 1) == '<' and 'LPUSH' or 'RPUSH', list, id)
  end
end
redis.call('DEL', KEYS[6])
if ARGV[3] == '1' then redis.call('SET', KEYS[3], 1, 'PX', 2000) else redis.call('DEL', KEYS[3]) end
redis.call('PEXPIRE', list, 60000) -- nobody looks at a list whose workers are gone for good
redis.call('DEL', KEYS[4])
redis.call('SET', KEYS[2], 'rest', 'PX', ARGV[4])
return redis.call('LLEN', list)
