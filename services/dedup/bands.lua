-- The bands in Redis: under which key which documents are. One operation a call, all packed binary, and nothing but
-- numbers of documents (redis_index.py): they are shorter than uids. It goes on where head.lua ends.
--
-- A table is a row of strings that grows by one at a time, as the hashes of index.lua do: with N of them a key lives
-- in number (a mod 2low), or that less low, where a is its first four bytes. A string is a row of records, each of a
-- key, without the bytes that the number of its string tells, and of a document under it; members of one key are as
-- many records, in their order. Behind the last one there is room, up to a size of the allocator, so that most of
-- those that come are written in place. It is filled with bytes that are greater than the last one of a record,
-- the highest of a number of 39 bits.

local LOAD, FEWEST = 64, 256
local KEY, NUMBER, ORDER = 6, 5, 16
-- A key keeps its FOUNDERS for ever. Later ones are kept beside it, in two rows, their orders and their numbers: the
-- BEST of them.
local FOUNDERS, BEST = 7, 9
local FREE = {}
for size = NUMBER, NUMBER + KEY do FREE[size] = string.rep('\255', size) end

-- How many strings there are, the greatest power of two up to that, and how many whole bytes of a key are told by a
-- number below low, and by one below the next power.
local strings, low, once, twice

local function measure(number)
  strings, low, once = number, FEWEST, 1
  while low * 2 <= strings do low = low * 2 end
  while 256 ^ (once + 1) <= low do once = once + 1 end
  twice = 256 ^ (once + 1) <= low * 2 and once + 1 or once
end

measure(math.max(floor(count / LOAD) + 1, FEWEST))

-- The name of the string that a key lives in, and how many of its bytes that tells.
local function place(records, first)
  local at = read('<I4', records, first) % (low * 2)
  if at >= strings then at = at - low end
  return name_of(at), (at < low and at >= strings - low) and once or twice
end

-- Where the last record of a string ends. The room is less than a fourth of it.
local function end_of(all, size)
  local free = find(all, FREE[size], floor(#all * 0.7), true)
  return free and free - 1 or #all
end

-- Records, and room up to the next of four sizes between two powers of two, with what Redis keeps beside a string.
local function roomy(records, size)
  local bytes, step = #records + 6, 16
  while step * 8 < bytes do step = step * 2 end
  local room = math.ceil(bytes / step) * step - 6
  return records .. string.rep('\255', floor(room / size) * size - #records)
end

local function store(name, records, size)
  if records == '' then call('DEL', name) else call('SET', name, roomy(records, size)) end
end

-- What remains of its key stands first in a record: its lowest bit tells who moves to the new string. Where the
-- numbers now tell a byte more, all records lose it.
local function split()
  local from, to, stay, moved = name_of(strings - low), name_of(strings), {}, {}
  local size, shed, bit = KEY - once + NUMBER, twice - once, low / 256 ^ once
  local all = call('GET', from) or ''
  for i = 1, end_of(all, size), size do
    local part = code(all, i) % (bit * 2) >= bit and moved or stay
    part[#part + 1] = sub(all, i + shed, i + size - 1)
  end
  -- the count first: were the script cut short, keys could be missed but never lost from sight
  call('SET', base .. 'n', count)
  store(to, table.concat(moved), size - shed)
  store(from, table.concat(stay), size - shed)
  measure(strings + 1)
end

-- The reverse: the last string goes back into the one that it was split from.
local function merge()
  measure(strings - 1)
  local size, told, both = KEY - twice + NUMBER, 256 ^ once, {}
  for _, at in ipairs({strings - low, strings}) do
    local head = twice > once and string.char(floor(at / told) % 256) or ''
    local all = call('GET', name_of(at)) or ''
    for i = 1, end_of(all, size), size do both[#both + 1] = head .. sub(all, i, i + size - 1) end
  end
  store(name_of(strings - low), table.concat(both), KEY - once + NUMBER)
  call('DEL', name_of(strings))
  call('SET', base .. 'n', count)
end

local function grew()
  count = count + 1
  if count % LOAD == 0 and count >= LOAD * FEWEST then split() end
end

local function shrank()
  count = count - 1
  if (count + 1) % LOAD == 0 and count + 1 >= LOAD * FEWEST then merge() end
end

-- The numbers in those records, up to the last, that begin with what remains of a key.
local function under(all, field, size, last)
  local at, found = find(all, field, 1, true), ''
  while at and at <= last do
    if at % size == 1 then found = found .. sub(all, at + #field, at + size - 1) end
    at = find(all, field, at + 1, true)
  end
  return found
end

-- Where a number begins in a list of them; nil where it is not there.
local function member(list, number)
  local at = find(list, number, 1, true)
  while at and at % NUMBER ~= 1 do at = find(list, number, at + 1, true) end
  return at
end

-- Of whom a crowd keeps: how many came later than the founders, orders and numbers of the best, the best first.
local function crowd_of(name)
  local crowd = call('GET', name)
  if not crowd then return 0, '', '' end
  local orders = (#crowd - 4) / (ORDER + NUMBER) * ORDER
  return read('<I4', crowd), sub(crowd, 5, 4 + orders), sub(crowd, 5 + orders)
end

-- One is put where it belongs; the last one may have to go for it.
local function entered(orders, numbers, order, number)
  local first, last = 0, #numbers / NUMBER -- it belongs before one of these, or at the end
  while first < last do
    local middle = floor((first + last) / 2)
    if greater(order, sub(orders, middle * ORDER + 1, middle * ORDER + ORDER)) then
      last = middle
    else
      first = middle + 1
    end
  end
  local a, b = first * ORDER, first * NUMBER
  return sub(sub(orders, 1, a) .. order .. sub(orders, a + 1), 1, BEST * ORDER)
    .. sub(sub(numbers, 1, b) .. number .. sub(numbers, b + 1), 1, BEST * NUMBER)
end

local operations = {}

-- Which link u32, key 6, number of a document 5, its order 16 -> of keys that had others: how many these are u32, then
-- (which link u32, how many came later u32, how many are kept u32) of each, then the numbers of those that are kept:
-- as they were before, the founders, then the best of later ones
local LINK = 4 + KEY + NUMBER + ORDER

local function told(heads, members)
  return write('<I4', #heads) .. table.concat(heads) .. table.concat(members)
end

function operations.link(records)
  local heads, members = {}, {}
  for i = 1, #records, LINK do
    local name, cut = place(records, i + 4)
    local field, size = sub(records, i + 4 + cut, i + 9), KEY - cut + NUMBER
    local all = call('GET', name) or ''
    local last = end_of(all, size)
    local founders, number, there, later, numbers = '', nil, nil, 0, ''
    if find(all, field, 1, true) then
      founders, number = under(all, field, size, last), sub(records, i + 10, i + 14)
      there = member(founders, number)
    end
    if #founders == FOUNDERS * NUMBER then
      local crowd, order, orders = base .. 'c' .. sub(records, i + 4, i + 9), sub(records, i + 15, i + 30), ''
      later, orders, numbers = crowd_of(crowd)
      if not there and not member(numbers, number) then
        if #numbers < BEST * NUMBER or greater(order, sub(orders, -ORDER)) then
          call('SET', crowd, write('<I4', later + 1) .. entered(orders, numbers, order, number))
        else
          call('SETRANGE', crowd, 0, write('<I4', later + 1))
        end
      end
    elseif not there then
      local record = sub(records, i + 4 + cut, i + 14)
      if last < #all then
        call('SETRANGE', name, last, record)
      else
        store(name, all .. record, size)
      end
      grew()
    end
    if founders ~= '' and founders ~= number then
      local kept = founders .. numbers
      heads[#heads + 1] = sub(records, i, i + 3) .. write('<I4I4', later, #kept / NUMBER)
      members[#members + 1] = kept
    end
  end
  return told(heads, members)
end

-- The same, and nothing is entered.
function operations.meet(records)
  local heads, members = {}, {}
  for i = 1, #records, LINK do
    local name, cut = place(records, i + 4)
    local size = KEY - cut + NUMBER
    local all = call('GET', name) or ''
    local founders = under(all, sub(records, i + 4 + cut, i + 9), size, end_of(all, size))
    if founders ~= '' then
      local later, _, numbers = crowd_of(base .. 'c' .. sub(records, i + 4, i + 9))
      local kept = founders .. numbers
      heads[#heads + 1] = sub(records, i, i + 3) .. write('<I4I4', later, #kept / NUMBER)
      members[#members + 1] = kept
    end
  end
  return told(heads, members)
end

-- (number 5, key 6): none of these keys keeps it. Of a crowd the best of those that came later becomes a founder in
-- its place. May be repeated.
function operations.unlink(records)
  for i = 1, #records, NUMBER + KEY do
    local number, crowd = sub(records, i, i + 4), base .. 'c' .. sub(records, i + 5, i + 10)
    local name, cut = place(records, i + 5)
    local field, size = sub(records, i + 5 + cut, i + 10), KEY - cut + NUMBER
    local all = call('GET', name) or ''
    local last = end_of(all, size)
    local later, orders, numbers = crowd_of(crowd)
    local crowded = numbers ~= ''
    local at, among = find(all, field .. number, 1, true), member(numbers, number)
    while at and at % size ~= 1 do at = find(all, field .. number, at + 1, true) end
    if at then
      local promoted = crowded and field .. sub(numbers, 1, NUMBER) or ''
      orders, numbers = sub(orders, ORDER + 1), sub(numbers, NUMBER + 1)
      store(name, sub(all, 1, at - 1) .. sub(all, at + size, last) .. promoted, size)
      if not crowded then shrank() end
    elseif among then
      local before = (among - 1) / NUMBER * ORDER
      orders = sub(orders, 1, before) .. sub(orders, before + ORDER + 1)
      numbers = sub(numbers, 1, among - 1) .. sub(numbers, among + NUMBER)
    end
    if crowded and numbers == '' then
      call('DEL', crowd)
    elseif crowded then
      call('SET', crowd, write('<I4', math.max(later - 1, #numbers / NUMBER)) .. orders .. numbers)
    end
  end
  return ''
end

local answer = operations[ARGV[1]](ARGV[2])
-- Always, and not only when it changed: a repeated call must write something for WAITAOF to wait on.
if ARGV[1] ~= 'meet' then call('SET', base .. 'n', count) end
return answer
