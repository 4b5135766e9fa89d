-- The index in Redis, but for its bands (bands.lua): one operation a call, all arguments and answers packed binary.
-- It goes on where head.lua ends.
--
-- A table is a row of hashes that grows one hash at a time (linear hashing, Litwin 1980): with N of
-- them a record lives in number (a mod 2low), or that less low when it is not below N, where a is the
-- first four bytes of its key and low the greatest power of two up to N. N follows from the count
-- of fields alone. So a corpus of any size lies in hashes of LOAD fields on average and at most about
-- 2 LOAD, which stay listpacks under the default limits (128 fields, values of 64 bytes): ten bytes of
-- overhead for a hundred, and no setting of the server to depend on. There are never fewer than FEWEST
-- hashes, so the number of a hash tells the first byte of a key, and the field goes without it.

local LOAD, FEWEST = 44, 256
local NEXT = 4294967295

local buckets = math.max(floor(count / LOAD) + 1, FEWEST)
local low = FEWEST
while low * 2 <= buckets do low = low * 2 end

-- The hash that a key lives in, and its field there. The key stands in these bytes of the records.
local function place(records, first, last)
  local at = read('<I4', records, first) % (low * 2)
  if at >= buckets then at = at - low end
  return name_of(at), sub(records, first + 1, last)
end

-- Keys of one hash share the bits below that of low, which now tells who moves to the new hash.
local function split()
  local from, to, moved, gone, num = name_of(buckets - low), name_of(buckets), {}, {}, 0
  local bit, byte = low / 256, 1 -- fields lack the first byte
  while bit > 128 do bit, byte = bit / 256, byte + 1 end
  local all = call('HGETALL', from)
  for i = 1, #all, 2 do
    local field = all[i]
    if code(field, byte) % (bit * 2) >= bit then
      num = num + 1
      gone[num], moved[2 * num - 1], moved[2 * num] = field, field, all[i + 1]
    end
  end
  -- the count first: were the script cut short, fields could be missed but never lost from sight
  call('SET', base .. 'n', count)
  for i = 1, num, 500 do
    local last = math.min(i + 499, num)
    call('HSET', to, unpack(moved, 2 * i - 1, 2 * last))
    call('HDEL', from, unpack(gone, i, last))
  end
  buckets = buckets + 1
  if buckets == low * 2 then low = buckets end
end

local function grew()
  count = count + 1
  if count % LOAD == 0 and count >= LOAD * FEWEST then split() end
end

local operations = {}

-- Documents are numbered as they come. A field holds the number; uids and entries stand in strings, ROW of them in
-- each, where they cost nothing besides: it is as long as a size of the allocator.
local UID, ENTRY, ROW = 8, 180, 174
local SEAT = UID + ENTRY

local function seat(number)
  return form('%ss%d', base, number / ROW), number % ROW * SEAT
end

local function entry(number)
  local row, at = seat(number)
  return call('GETRANGE', row, at + UID, at + SEAT - 1)
end

-- uid 8, entry 180 -> number u32 of each, then (which u32, entry 180) for each that was known
function operations.put(records)
  local numbers, known, num = {}, {}, #records / SEAT
  -- too far at first: were the script cut short, numbers would be passed over, and none given twice
  local free = call('INCRBY', base .. 's', num) - num
  for i = 0, num - 1 do
    local first = i * SEAT + 1
    local key, field = place(records, first, first + UID - 1)
    local row, at = seat(free)
    if at == 0 then call('SETRANGE', row, ROW * SEAT - 1, '\0') end
    call('SETRANGE', row, at, sub(records, first, first + SEAT - 1))
    local number = free
    if call('HSETNX', key, field, form('%d', free)) == 1 then
      free = free + 1
      grew()
    else
      number = tonumber(call('HGET', key, field))
      known[#known + 1] = write('<I4', i) .. entry(number)
    end
    numbers[i + 1] = write('<I4', number)
  end
  call('SET', base .. 's', form('%d', free))
  return table.concat(numbers) .. table.concat(known)
end

-- uid 8 -> (uid 8, entry 180) for each that is there
function operations.entries(records)
  local answer = {}
  for i = 1, #records, 8 do
    local number = call('HGET', place(records, i, i + 7))
    if number then answer[#answer + 1] = sub(records, i, i + 7) .. entry(tonumber(number)) end
  end
  return table.concat(answer)
end

-- uid 8 -> (uid 8, number u32) for each that is there
function operations.numbers(records)
  local answer = {}
  for i = 1, #records, 8 do
    local number = call('HGET', place(records, i, i + 7))
    if number then answer[#answer + 1] = sub(records, i, i + 7) .. write('<I4', tonumber(number)) end
  end
  return table.concat(answer)
end

-- number u32 -> uid 8, entry 180, of each; zeros where nobody has it
function operations.seats(records)
  local answer, none = {}, string.rep('\0', SEAT)
  for i = 1, #records, 4 do
    local row, at = seat(read('<I4', records, i))
    local found = call('GETRANGE', row, at, at + SEAT - 1)
    answer[#answer + 1] = #found == SEAT and found or none
  end
  return table.concat(answer)
end

-- uid 8 -> (uid 8, parent 8) for each that is there
function operations.fetch(records)
  local answer = {}
  for i = 1, #records, 8 do
    local cluster = call('HGET', place(records, i, i + 7))
    if cluster then answer[#answer + 1] = sub(records, i, i + 7) .. cluster end
  end
  return table.concat(answer)
end

-- uid 8, killer 8, whether it went on 1 -> killer 8, flag 1 that stand, for each. The key is the uid and a "d".
function operations.bury(records)
  local answer = {}
  for i = 1, #records, 17 do
    local key, field = place(sub(records, i, i + 7) .. 'd', 1, 9)
    local death = sub(records, i + 8, i + 16)
    if call('HSETNX', key, field, death) == 1 then
      grew()
    else
      death = call('HGET', key, field)
    end
    answer[#answer + 1] = death
  end
  return table.concat(answer)
end

-- uid 8 -> (uid 8, killer 8, flag 1) for each that is buried
function operations.deaths(records)
  local answer = {}
  for i = 1, #records, 8 do
    local uid = sub(records, i, i + 7)
    local death = call('HGET', place(uid .. 'd', 1, 9))
    if death then answer[#answer + 1] = uid .. death end
  end
  return table.concat(answer)
end

-- uid 8, parent 8 -> (parent 8 that stands, whether it is by this call 1), for each
function operations.join(records)
  local answer = {}
  for i = 1, #records, 16 do
    local key, field = place(records, i, i + 7)
    local parent = sub(records, i + 8, i + 15)
    if call('HSETNX', key, field, parent) == 1 then
      grew()
      answer[#answer + 1] = parent .. '\1'
    else
      answer[#answer + 1] = call('HGET', key, field) .. '\0'
    end
  end
  return table.concat(answer)
end

-- uid 8, cluster 8, number u32 -> number u32 that stands, for each; NEXT: the one after the last of its cluster,
-- 0: none, where none stands.
-- The keys are the uid and an "n", and the cluster and a "c": decimals, which a listpack holds in 2 to 5 bytes.
function operations.number(records)
  local answer = {}
  for i = 1, #records, 20 do
    local member, cluster = sub(records, i, i + 7) .. 'n', sub(records, i + 8, i + 15) .. 'c'
    local key, field = place(member, 1, 9)
    local number = tonumber(call('HGET', key, field))
    if not number and read('<I4', records, i + 16) == 0 then
      number = 0
    elseif not number then
      local counter, name = place(cluster, 1, 9)
      local last = tonumber(call('HGET', counter, name) or 1)
      number = read('<I4', records, i + 16)
      if number == NEXT then number = last + 1 end
      -- the count first: were the script cut short, a number would be passed over, and none given twice
      if call('HSET', counter, name, math.max(number, last)) == 1 then grew() end
      key, field = place(member, 1, 9) -- which may have moved
      call('HSET', key, field, number)
      grew()
    end
    answer[#answer + 1] = write('<I4', number)
  end
  return table.concat(answer)
end

-- cluster 8 -> (cluster 8, the greatest number in it u32) for each in which anyone was numbered
function operations.count(records)
  local answer = {}
  for i = 1, #records, 8 do
    local cluster = sub(records, i, i + 7)
    local last = call('HGET', place(cluster .. 'c', 1, 9))
    if last then answer[#answer + 1] = cluster .. write('<I4', tonumber(last)) end
  end
  return table.concat(answer)
end

local function counted(records, sum)
  local answer = {}
  for i = 1, #records, 20 do
    local key, field = place(sub(records, i, i + 7) .. 'c', 1, 9)
    local last = call('HGET', key, field)
    local base, number = read('<I8I4', records, i + 8)
    local count = sum(tonumber(last or base), number)
    call('HSET', key, field, count)
    if not last then grew() end
    answer[#answer + 1] = write('<I4', count)
  end
  return table.concat(answer)
end

-- cluster 8, what it has where nobody was numbered 8, number u32 to be added -> count u32, for each
function operations.add(records)
  return counted(records, function(a, b) return a + b end)
end

-- The same, and there are no fewer than number.
operations['raise'] = function(records)
  return counted(records, math.max)
end

-- key 8, order 16 -> (number u32, order 16) for each that is held by a greater order
function operations.hold(records)
  local answer = {}
  for i = 0, #records / 24 - 1 do
    local key, field = place(records, i * 24 + 1, i * 24 + 8)
    local order = sub(records, i * 24 + 9, i * 24 + 24)
    if call('HSETNX', key, field, order) == 1 then
      grew()
    else
      local held = call('HGET', key, field)
      if greater(order, held) then
        call('HSET', key, field, order)
      elseif held ~= order then
        answer[#answer + 1] = write('<I4', i) .. held
      end
    end
  end
  return table.concat(answer)
end

-- uid 8, page SIZE -> page that stands, for each that had one. KEYS[1] .. uid is its key.
function operations.page(records)
  local size, answer = tonumber(sub(records, 1, 4)), {}
  for i = 5, #records, size + 8 do
    local name, page = base .. sub(records, i, i + 7), sub(records, i + 8, i + size + 7)
    if call('SETNX', name, page) == 0 then
      answer[#answer + 1] = sub(records, i, i + 7) .. call('GET', name)
    end
  end
  return table.concat(answer)
end

-- uid 8 -> (uid 8, page SIZE) for each that is there
function operations.pages(records)
  local answer = {}
  for i = 1, #records, 8 do
    local uid = sub(records, i, i + 7)
    local page = call('GET', base .. uid)
    if page then answer[#answer + 1] = uid .. page end
  end
  return table.concat(answer)
end

-- What follows takes documents out of the full index, when they have gone to the cold tier (cold.py). All of it may
-- be repeated.

-- The reverse of split: the last hash goes back into the one that it was split from.
local function merge()
  buckets = buckets - 1
  if buckets < low then low = low / 2 end
  local from, to = name_of(buckets), name_of(buckets - low)
  local all = call('HGETALL', from)
  for i = 1, #all, 1000 do call('HSET', to, unpack(all, i, math.min(i + 999, #all))) end
  call('DEL', from)
  call('SET', base .. 'n', count)
end

local function shrank()
  count = count - 1
  if (count + 1) % LOAD == 0 and count + 1 >= LOAD * FEWEST then merge() end
end

-- (key of an exact text 8, uid 8 big-endian): it no longer holds the text.
function operations.release(records)
  for i = 1, #records, 16 do
    local key, field = place(records, i, i + 7)
    local held = call('HGET', key, field)
    if held and sub(held, -8) == sub(records, i + 8, i + 15) then
      call('HDEL', key, field)
      shrank()
    end
  end
  return ''
end

-- uid 8: its page is gone.
function operations.close(records)
  for i = 1, #records, 8 do call('DEL', base .. sub(records, i, i + 7)) end
  return ''
end

-- uid 8: it has no number and no death; its entry goes with the last of the row.
function operations.forget(records)
  for i = 1, #records, 8 do
    local key, field = place(records, i, i + 7)
    local number = call('HGET', key, field)
    if number then
      local name, row = seat(tonumber(number)), form('%d', number / ROW)
      if call('HINCRBY', base .. 'g', row, 1) == ROW then
        call('DEL', name)
        call('HDEL', base .. 'g', row)
      end
      call('HDEL', key, field)
      shrank()
    end
    if call('HDEL', place(sub(records, i, i + 7) .. 'd', 1, 9)) == 1 then shrank() end
  end
  return ''
end

-- page u32, offset u32 -> the block of 32 bytes there, for each. KEYS[1] .. page is its key.
function operations.blocks(records)
  local answer, none = {}, string.rep('\0', 32)
  for i = 1, #records, 8 do
    local page, at = read('<I4I4', records, i)
    local block = call('GETRANGE', name_of(page), at, at + 31)
    answer[#answer + 1] = #block == 32 and block or none
  end
  return table.concat(answer)
end

-- bytes of a page in 8 digits, then page u32, offset u32, mask of 32 bytes: these bits are set there.
function operations.warm(records)
  local size = tonumber(sub(records, 1, 8))
  for i = 9, #records, 40 do
    local page, at = read('<I4I4', records, i)
    local name = name_of(page)
    if call('EXISTS', name) == 0 then call('SETRANGE', name, size - 1, '\0') end
    local block, words = call('GETRANGE', name, at, at + 31), {}
    for word = 0, 7 do
      local old, new = read('<i4', block, word * 4 + 1), (read('<i4', records, i + 8 + word * 4))
      words[word + 1] = write('<i4', bit.bor(old, new))
    end
    call('SETRANGE', name, at, table.concat(words))
  end
  return ''
end

local reads = {entries = true, numbers = true, seats = true, fetch = true, deaths = true, count = true, pages = true,
  blocks = true}
local answer = operations[ARGV[1]](ARGV[2])
-- Always, and not only when it changed: a repeated call must write something for WAITAOF to wait on.
if not reads[ARGV[1]] then call('SET', base .. 'n', count) end
return answer
