-- Registers documents of a batch, or moves them to another state. KEYS[1] begins every key; all are in one slot.
-- ARGV: 'register', seconds to keep, batch, then (uid, state, source, unit, reason, detail) each
--       'move', then (uid, state, unit, reason) each
-- A document is in one of the sorted sets in:BATCH:STATE, by the order in which it came; why:BATCH counts reasons.
local base, act = KEYS[1], ARGV[1]

local function count(batch, state, unit, reason, by)
  if unit ~= '' then
    local field = state .. '|' .. unit .. '|' .. reason
    if redis.call('HINCRBY', base .. 'why:' .. batch, field, by) == 0 then
      redis.call('HDEL', base .. 'why:' .. batch, field)
    end
  end
end

if act == 'register' then
  local keep, batch = ARGV[2], ARGV[3]
  for at = 4, #ARGV, 6 do
    local uid, state, source, unit, reason, detail = unpack(ARGV, at, at + 5)
    local document = base .. 'document:' .. uid
    if redis.call('EXISTS', document) == 0 then
      local number = redis.call('HINCRBY', base .. 'batch:' .. batch, 'documents', 1)
      redis.call('HSET', document, 'batch', batch, 'state', state, 'number', number, 'source', source,
        'unit', unit, 'reason', reason, 'detail', detail)
      redis.call('EXPIRE', document, keep)
      redis.call('ZADD', base .. 'in:' .. batch .. ':' .. state, number, uid)
      redis.call('EXPIRE', base .. 'in:' .. batch .. ':' .. state, keep)
      count(batch, state, unit, reason, 1)
    end
  end
  redis.call('EXPIRE', base .. 'why:' .. batch, keep)
  return 0
end

-- What of two events counts, whichever is heard of first: a part is the end; `kept` and `under_way` are on the way.
local function follows(from, to)
  if from == to or from == 'in_part' then return false end
  if to == 'kept' then return from == 'under_way' end
  if to == 'under_way' then return from == 'dead' end
  return true
end

local moved = 0
for at = 2, #ARGV, 4 do
  local uid, to, unit, reason = unpack(ARGV, at, at + 3)
  local document = base .. 'document:' .. uid
  local known = redis.call('HMGET', document, 'batch', 'state', 'number', 'unit', 'reason')
  local batch, from = known[1], known[2]
  if batch and follows(from, to) then
    local into = base .. 'in:' .. batch .. ':' .. to
    redis.call('ZREM', base .. 'in:' .. batch .. ':' .. from, uid)
    redis.call('ZADD', into, known[3], uid)
    count(batch, from, known[4], known[5], -1)
    count(batch, to, unit, reason, 1)
    for _, key in ipairs({into, base .. 'why:' .. batch}) do
      if redis.call('TTL', key) < 0 then
        redis.call('EXPIRE', key, math.max(1, redis.call('TTL', base .. 'batch:' .. batch)))
      end
    end
    redis.call('HSET', document, 'state', to, 'unit', unit, 'reason', reason)
    moved = moved + 1
  end
end
return moved
