-- The counts in Redis, see bucket.py: documents are counted in their order, and how many have each key is told.
--
-- KEYS[1]  base name of the buckets   KEYS[2]  where the generation stands   KEYS[3]  offsets reached, by place
-- ARGV[1]  generation   ARGV[2]  documents: place u16, offset low u32, high u32, number of keys u32, tag 1
-- ARGV[3]  keys, back to back: bucket 4, which ends its name, fingerprint 4   ARGV[4...]  places, as the fields of KEYS[3]
-- Answer   forgotten u32, then for each key u16: documents that have it, all of this call included
--
-- A place is a number of ARGV[4...], or ALWAYS (count it), or NEVER (look only). Of a place, what is below the
-- offset that was reached has been counted: it came again. All is read first and written at the end, with the
-- offsets, so that a call that is cut short has counted nothing.

local SIZE, FULL, MOST, SPARED, ALWAYS, NEVER = 7, 127 * 7, 65535, 4, 65535, 65534

if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return redis.error_reply('GENERATION the index is another one, or gone')
end

local read, write, sub, byte, char = struct.unpack, struct.pack, string.sub, string.byte, string.char
local documents, keys = ARGV[2], ARGV[3]
local reached, advanced = {}, {}
for i = 4, #ARGV do reached[i - 3] = tonumber(redis.call('HGET', KEYS[3], ARGV[i]) or 0) end

-- All buckets that are needed, in few calls: each costs as much as what is done to a bucket.
local GROUP = 1000
local buckets, changed, counts, forgotten = {}, {}, {}, 0
do
  local names, asked = {}, {}
  local function fetch()
    local found = redis.call('MGET', unpack(asked))
    for i = 1, #names do buckets[names[i]] = found[i] or '' end
    names, asked = {}, {}
  end
  for i = 1, #keys, 8 do
    local name = sub(keys, i, i + 3)
    if not buckets[name] then
      buckets[name] = ''
      names[#names + 1], asked[#asked + 1] = name, KEYS[1] .. name
      if #names == GROUP then fetch() end
    end
  end
  if #names > 0 then fetch() end
end

local function find(bucket, fingerprint)
  local at = string.find(bucket, fingerprint, 1, true)
  while at and (at - 1) % SIZE ~= 0 do at = string.find(bucket, fingerprint, at + 1, true) end
  return at
end

local function entry(fingerprint, count, tag)
  return fingerprint .. char(count % 256, math.floor(count / 256)) .. tag
end

local function shortened(bucket)
  for spared = 0, SPARED do
    local at = #bucket - SIZE + 1
    local count = byte(bucket, at + 4) + 256 * byte(bucket, at + 5)
    local rest = sub(bucket, 1, at - 1)
    if count < 2 or spared == SPARED then
      forgotten = forgotten + 1
      return rest
    end
    bucket = entry(sub(bucket, at, at + 3), math.floor(count / 2), sub(bucket, at + 6, at + 6)) .. rest
  end
end

local at = 1
for i = 1, #documents, 15 do
  local place, low, high, number = read('<I2I4I4I4', documents, i)
  local tag = sub(documents, i + 14, i + 14)
  local offset, new = high * 4294967296 + low, place == ALWAYS
  if place < NEVER and offset >= reached[place] then
    new, reached[place], advanced[place] = true, offset + 1, true
  end
  for _ = 1, number do
    local key, name, fingerprint = sub(keys, at, at + 7), sub(keys, at, at + 3), sub(keys, at + 4, at + 7)
    local bucket = buckets[name]
    local stands, count = find(bucket, fingerprint), 0
    if stands then
      count = byte(bucket, stands + 4) + 256 * byte(bucket, stands + 5)
      if new and count < MOST and sub(bucket, stands + 6, stands + 6) ~= tag then
        count = count + 1
        bucket = entry(fingerprint, count, tag) .. sub(bucket, 1, stands - 1) .. sub(bucket, stands + SIZE)
        changed[name] = true
      end
    elseif new then
      count = 1
      bucket = entry(fingerprint, 1, tag) .. bucket
      changed[name] = true
      if #bucket > FULL then bucket = shortened(bucket) end
    end
    buckets[name], counts[key] = bucket, count
    at = at + 8
  end
end

local written = {}
for name in pairs(changed) do
  written[#written + 1], written[#written + 2] = KEYS[1] .. name, buckets[name]
  if #written == 2 * GROUP then
    redis.call('MSET', unpack(written))
    written = {}
  end
end
if #written > 0 then redis.call('MSET', unpack(written)) end
for place in pairs(advanced) do
  redis.call('HSET', KEYS[3], ARGV[place + 3], string.format('%.0f', reached[place]))
end

local answer = {write('<I4', forgotten)}
for i = 1, #keys, 8 do answer[#answer + 1] = write('<I2', counts[sub(keys, i, i + 7)]) end
return table.concat(answer)
