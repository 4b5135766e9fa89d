-- What index.lua and bands.lua begin with.
--
-- KEYS[1]  base name of a table; all keys of a call begin with it and share its hash tag
-- KEYS[2]  where the generation of the index stands
-- ARGV[1]  operation   ARGV[2]  records of the operation, back to back   ARGV[3]  generation

if redis.call('GET', KEYS[2]) ~= ARGV[3] then
  return redis.error_reply('GENERATION the index is another one, or gone')
end

local base = KEYS[1]
local read, write, sub, find = struct.unpack, struct.pack, string.sub, string.find
local form, code, floor = string.format, string.byte, math.floor
local call = redis.call
local count = tonumber(call('GET', base .. 'n') or 0)

-- A number becomes a name by %d: Lua's own way is that of a float, and a good part of a call's cost.
local function name_of(at)
  return form('%s%d', base, at)
end

-- order 16 -> a is greater than b. As numbers: Lua compares strings by the locale.
local function greater(a, b)
  local a1, a2, a3, a4 = read('>I4I4I4I4', a)
  local b1, b2, b3, b4 = read('>I4I4I4I4', b)
  if a1 ~= b1 then return a1 > b1 end
  if a2 ~= b2 then return a2 > b2 end
  if a3 ~= b3 then return a3 > b3 end
  return a4 > b4
end

