-- The index in Redis: one script, one operation a call, all arguments and answers packed binary.
--
-- KEYS[1]  base name of a table; all keys of a call begin with it and share its hash tag
-- KEYS[2]  where the generation of the index stands
-- ARGV[1]  operation   ARGV[2]  records of the operation, back to back   ARGV[3]  generation
--
-- A table is a row of hashes that grows one hash at a time (linear hashing, Litwin 1980): with N of
-- them a field lives in number (a mod 2low), or that less low when it is not below N, where a is the
-- first four bytes of the field and low the greatest power of two up to N. N follows from the count
-- of fields alone. So a corpus of any size lies in hashes of LOAD fields on average and at most about
-- 2 LOAD, which stay listpacks under the default limits (128 fields, values of 64 bytes): ten bytes of
-- overhead for a hundred, and no setting of the server to depend on.

local LOAD = 32
local CROWD = 56 -- bytes of uids in one band's field; a band with more members moves to a string

if redis.call('GET', KEYS[2]) ~= ARGV[3] then
  return redis.error_reply('GENERATION the index is another one, or gone')
end

local base = KEYS[1]
local unpack_words = struct.unpack
local count = tonumber(redis.call('GET', base .. 'n') or 0)
local buckets = math.floor(count / LOAD) + 1
local low = 1
while low * 2 <= buckets do low = low * 2 end

local function bucket(field)
  local at = unpack_words('<I4', field) % (low * 2)
  if at >= buckets then at = at - low end
  return base .. at
end

-- Fields of one hash share the bits below that of low, which now tells who moves to the new hash.
local function split()
  local from, to, moved, gone = base .. (buckets - low), base .. buckets, {}, {}
  local bit, byte = low, 1
  while bit > 128 do bit, byte = bit / 256, byte + 1 end
  local all = redis.call('HGETALL', from)
  for i = 1, #all, 2 do
    if string.byte(all[i], byte) % (bit * 2) >= bit then
      moved[#moved + 1], moved[#moved + 2] = all[i], all[i + 1]
      gone[#gone + 1] = all[i]
    end
  end
  -- the count first: were the script cut short, fields could be missed but never lost from sight
  redis.call('SET', base .. 'n', count)
  for i = 1, #gone, 500 do
    local last = math.min(i + 499, #gone)
    redis.call('HSET', to, unpack(moved, 2 * i - 1, 2 * last))
    redis.call('HDEL', from, unpack(gone, i, last))
  end
  buckets = buckets + 1
  if buckets == low * 2 then low = buckets end
end

local function grew()
  count = count + 1
  if count % LOAD == 0 then split() end
end

-- Members are 8-byte uids back to back. False where the uid is not among them.
local function member(members, uid)
  local at = string.find(members, uid, 1, true)
  while at and at % 8 ~= 1 do at = string.find(members, uid, at + 1, true) end
  return at
end

local operations = {}

-- uid 8, entry 63 -> (number u32, entry 63) for each that was known
function operations.put(records)
  local answer = {}
  for i = 0, #records / 71 - 1 do
    local uid = string.sub(records, i * 71 + 1, i * 71 + 8)
    local key = bucket(uid)
    if redis.call('HSETNX', key, uid, string.sub(records, i * 71 + 9, i * 71 + 71)) == 1 then
      grew()
    else
      answer[#answer + 1] = struct.pack('<I4', i) .. redis.call('HGET', key, uid)
    end
  end
  return table.concat(answer)
end

-- uid 8 -> (uid 8, entry 63) for each that is there
function operations.fetch(records)
  local answer = {}
  for i = 1, #records, 8 do
    local uid = string.sub(records, i, i + 7)
    local entry = redis.call('HGET', bucket(uid), uid)
    if entry then answer[#answer + 1] = uid .. entry end
  end
  return table.concat(answer)
end

-- uid 8, killer 8 -> killer 8 that stands, for each. The field is the uid and a "d".
function operations.bury(records)
  local answer = {}
  for i = 1, #records, 16 do
    local field = string.sub(records, i, i + 7) .. 'd'
    local killer = string.sub(records, i + 8, i + 15)
    local key = bucket(field)
    if redis.call('HSETNX', key, field, killer) == 1 then
      grew()
    else
      killer = redis.call('HGET', key, field)
    end
    answer[#answer + 1] = killer
  end
  return table.concat(answer)
end

-- order 16 -> a is greater than b. As numbers: Lua compares strings by the locale.
local function greater(a, b)
  local one, other = {unpack_words('>I4I4I4I4', a)}, {unpack_words('>I4I4I4I4', b)}
  for i = 1, 4 do
    if one[i] ~= other[i] then return one[i] > other[i] end
  end
  return false
end

-- key 8, order 16 -> (number u32, order 16) for each that is held by a greater order
function operations.hold(records)
  local answer = {}
  for i = 0, #records / 24 - 1 do
    local field = string.sub(records, i * 24 + 1, i * 24 + 8)
    local order = string.sub(records, i * 24 + 9, i * 24 + 24)
    local key = bucket(field)
    if redis.call('HSETNX', key, field, order) == 1 then
      grew()
    else
      local held = redis.call('HGET', key, field)
      if greater(order, held) then
        redis.call('HSET', key, field, order)
      elseif held ~= order then
        answer[#answer + 1] = struct.pack('<I4', i) .. held
      end
    end
  end
  return table.concat(answer)
end

-- number u32, uid 8, key 4 -> (number u32, length u32, uids) for each key that had others
function operations.link(records)
  local answer = {}
  for i = 1, #records, 16 do
    local uid, field = string.sub(records, i + 4, i + 11), string.sub(records, i + 12, i + 15)
    local key = bucket(field)
    if redis.call('HSETNX', key, field, uid) == 1 then
      grew()
    else
      local members = redis.call('HGET', key, field)
      local crowd = base .. 'c' .. field
      local crowded = #members < 8
      if crowded then members = redis.call('GET', crowd) end
      if not member(members, uid) then
        if crowded then
          redis.call('APPEND', crowd, uid)
        elseif #members < CROWD then
          redis.call('HSET', key, field, members .. uid)
        else
          redis.call('SET', crowd, members .. uid)
          redis.call('HSET', key, field, '+')
        end
      end
      if members ~= uid then
        answer[#answer + 1] = string.sub(records, i, i + 3) .. struct.pack('<I4', #members) .. members
      end
    end
  end
  return table.concat(answer)
end

local answer = operations[ARGV[1]](ARGV[2])
-- Always, and not only when it changed: a repeated call must write something for WAITAOF to wait on.
if ARGV[1] ~= 'fetch' then redis.call('SET', base .. 'n', count) end
return answer
