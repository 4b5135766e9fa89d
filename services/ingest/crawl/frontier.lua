-- The frontier: what is known of every URL, and which replica may fetch what. One script, so that each step is
-- whole: a replica that dies between two of them leaves nothing half done.
--
--   hosts            host -> when it may be visited again (ms); only hosts that have something to fetch
--   h:HOST           n: URLs known; next: when it may be visited; delay: its pause (ms); busy: the session that
--                    speaks to it; paused, cap, own (a delay set by a person), down: failed connections in a row
--   u:HOST           key -> record: url, kind, priority, fetched (ms), and what only Python reads, by tabs
--   r:HOST, w:HOST   keys ready to be fetched by priority; keys that wait, by when they are due (ms)
--   sessions         session -> until when (ms) it is taken to be alive
--   held:SESSION     "HOST key" -> record: the leases of a replica; busy:SESSION its hosts
--   tries            "HOST key" -> replicas in a row that ended while they fetched it
--   robots:ORIGIN, tdm:ORIGIN   what its robots.txt and tdmrep.json said, until it is to be read again. The first
--                    letter of robots: R rules, U not reachable (nothing is fetched); then eight digits of their digest
--   seen             counts by outcome; new_ms: when a URL was last found
--
-- Time is this server's, so that the clocks of replicas do not matter. KEYS[1] is the prefix, with the braces that
-- put all of it into one slot of a cluster. ARGV[1]: the call; ARGV[2]: its arguments as JSON. The answer: JSON.

local P = KEYS[1]
local call, args = ARGV[1], cjson.decode(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local EVENTUALLY = 50  -- URLs that become ready at once, of a host at one visit
local BY_CHANCE = 2  -- replicas that may end while they fetch a URL, before it is taken to be what ends them

local function key(name) return P .. name end
local function count(what, by) redis.call('HINCRBY', key('seen'), what, by or 1) end
local function number(value, default) return tonumber(value or default) or default end

local function host_of(entry)
  local at = string.find(entry, ' ', 1, true)
  return string.sub(entry, 1, at - 1), string.sub(entry, at + 1)
end

local function fields(record)
  local found = {}
  for field in string.gmatch(record .. '\t', '([^\t]*)\t') do found[#found + 1] = field end
  return found
end

-- Put a host where it belongs among those to be visited.
local function touch(host)
  local h = redis.call('HMGET', key('h:' .. host), 'busy', 'paused', 'next')
  if h[1] then return end
  if h[2] then redis.call('ZREM', key('hosts'), host) return end
  local due = nil
  if redis.call('EXISTS', key('r:' .. host)) == 1 then
    due = 0
  else
    local first = redis.call('ZRANGE', key('w:' .. host), 0, 0, 'WITHSCORES')
    if first[2] then due = tonumber(first[2]) end
  end
  if due then
    redis.call('ZADD', key('hosts'), math.max(due, number(h[3], 0)), host)
  else
    redis.call('ZREM', key('hosts'), host)
  end
end

-- A request to a host is over: the next may begin after its pause, or after so many ms where that is longer.
-- pause 0: no request was made, and nobody has to wait.
local function free(session, host, pause)
  if redis.call('SREM', key('busy:' .. session), host) == 0 then return end
  local h = redis.call('HMGET', key('h:' .. host), 'delay', 'own')
  local delay = number(h[2], number(h[1], args.delay))
  if pause ~= 0 then
    redis.call('HSET', key('h:' .. host), 'next', math.floor(now + math.max(delay, pause)))
  end
  redis.call('HDEL', key('h:' .. host), 'busy')
  touch(host)
end

-- Nothing answers there: the host rests, each time twice as long, up to an hour.
local function down(host)
  local times = redis.call('HINCRBY', key('h:' .. host), 'down', 1)
  local rest = math.min(3600000, 15000 * 2 ^ math.min(times - 1, 8))
  redis.call('HSET', key('h:' .. host), 'next', math.floor(now + rest))
end

-- What a session held is to be fetched again: at once, but for what may be what ends replicas, which waits, each
-- time twice as long. Only what was being fetched can be (its host was busy), not what had come and was not durable
-- yet. spared: it was given back, and nobody is to blame.
local function surrender(session, spared)
  local held = redis.call('HGETALL', key('held:' .. session))
  local touched = {}
  for i = 1, #held, 2 do
    local host, name = host_of(held[i])
    local tries = 0
    if not spared and redis.call('SISMEMBER', key('busy:' .. session), host) == 1 then
      tries = redis.call('HINCRBY', key('tries'), held[i], 1)
    end
    if tries > BY_CHANCE then
      local wait = math.min(args.max_revisit, args.retry * 2 ^ math.min(tries - BY_CHANCE - 1, 30))
      redis.call('ZADD', key('w:' .. host), math.floor(now + wait), name)
      count('crash')
    else
      redis.call('ZADD', key('r:' .. host), number(fields(held[i + 1])[3], 50), name)
      if not spared then count('again') end
    end
    touched[host] = true
  end
  for _, host in ipairs(redis.call('SMEMBERS', key('busy:' .. session))) do
    free(session, host, spared and 0 or 1)
  end
  for host in pairs(touched) do touch(host) end
  redis.call('DEL', key('held:' .. session), key('busy:' .. session))
  redis.call('ZREM', key('sessions'), session)
end

-- One URL that was found; what becomes of it is counted and returned.
local function add(item)
  local h = key('h:' .. item.host)
  local there = redis.call('EXISTS', h) == 1
  if not there then
    if not item.open then return 'elsewhere' end
    if number(redis.call('HGET', key('seen'), 'hosts'), 0) >= args.max_hosts then return 'hosts' end
  end
  local known = redis.call('HGET', key('u:' .. item.host), item.key)
  if known then
    if not item.modified or item.modified <= number(fields(known)[4], 0) then return 'known' end
    if redis.call('ZREM', key('w:' .. item.host), item.key) == 0 then return 'known' end
    redis.call('ZADD', key('r:' .. item.host), item.priority, item.key)
    touch(item.host)
    return 'due'
  end
  local h_says = redis.call('HMGET', h, 'n', 'cap')
  if number(h_says[1], 0) >= number(h_says[2], args.max_urls_host) then return 'cap' end
  if number(redis.call('HGET', key('seen'), 'urls'), 0) >= args.max_urls then return 'full' end
  if not there then count('hosts') end
  redis.call('HSET', key('u:' .. item.host), item.key, item.record)
  redis.call('HINCRBY', h, 'n', 1)
  redis.call('ZADD', key('r:' .. item.host), item.priority, item.key)
  redis.call('HSET', key('seen'), 'new_ms', now)
  count('urls')
  touch(item.host)
  return 'new'
end

local function add_all(items)
  local outcomes = {}
  for _, item in ipairs(items) do
    local outcome = add(item)
    outcomes[outcome] = (outcomes[outcome] or 0) + 1
  end
  for outcome, number_of in pairs(outcomes) do
    if outcome ~= 'known' then count('found ' .. outcome, number_of) end
  end
  return outcomes
end

local calls = {}

function calls.add()
  return add_all(args.items)
end

-- Leases for up to args.most URLs, one a host; with what was found and freed meanwhile. Every call is a sign of
-- life. What a page links to is known before the page is settled: so a kill loses none of it.
function calls.take()
  local outcomes = add_all(args.found)  -- first: who found it need not be alive
  if args.known and not redis.call('ZSCORE', key('sessions'), args.session) then
    return {lost = true, found = outcomes}  -- taken to be dead: others have what it held
  end
  redis.call('ZADD', key('sessions'), now + args.lease, args.session)
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', key('sessions'), '-inf', now, 'LIMIT', 0, 4)) do
    surrender(dead, false)
  end
  for _, freed in ipairs(args.freed) do free(freed[1], freed[2], freed[3]) end
  local leases = {}
  if args.most > 0 and redis.call('EXISTS', key('paused')) == 0 then
    for _, host in ipairs(redis.call('ZRANGEBYSCORE', key('hosts'), '-inf', now, 'LIMIT', 0, args.most)) do
      local waiting, ready = key('w:' .. host), key('r:' .. host)
      for _, name in ipairs(redis.call('ZRANGEBYSCORE', waiting, '-inf', now, 'LIMIT', 0, EVENTUALLY)) do
        local record = redis.call('HGET', key('u:' .. host), name)
        redis.call('ZREM', waiting, name)
        if record then redis.call('ZADD', ready, number(fields(record)[3], 50), name) end
      end
      local first = redis.call('ZRANGE', ready, 0, 0)
      local record = first[1] and redis.call('HGET', key('u:' .. host), first[1])
      if not record then
        if first[1] then redis.call('ZREM', ready, first[1]) end
        touch(host)
      else
        local origin = string.match(record, '^(%a+://[^/]+)')
        local robots = redis.call('GETRANGE', key('robots:' .. origin), 0, 8)
        local kind = 'url'
        if robots == '' then
          kind = 'robots'
        elseif string.sub(robots, 1, 1) == 'U' then
          kind = nil
          local again = now + math.max(1000, redis.call('PTTL', key('robots:' .. origin)))
          redis.call('HSET', key('h:' .. host), 'next', math.floor(again))
          touch(host)
        elseif args.tdm and redis.call('EXISTS', key('tdm:' .. origin)) == 0 then
          kind = 'tdm'
        end
        if kind then
          if kind == 'url' then
            redis.call('ZREM', ready, first[1])
            redis.call('HSET', key('held:' .. args.session), host .. ' ' .. first[1], record)
          end
          redis.call('SADD', key('busy:' .. args.session), host)
          redis.call('HSET', key('h:' .. host), 'busy', args.session)
          redis.call('ZREM', key('hosts'), host)
          leases[#leases + 1] = {kind, host, first[1], record, robots}
        end
      end
    end
  end
  local next_host = redis.call('ZRANGE', key('hosts'), 0, 0, 'WITHSCORES')
  return {leases = leases, now = now, found = outcomes, next = next_host[2] and tonumber(next_host[2]),
          new_ms = number(redis.call('HGET', key('seen'), 'new_ms'), 0)}
end

-- What became of URLs, each for the session that it was leased to. A lease that is not that session's any more
-- counts for nothing: who has it now settles it.
function calls.settle()
  local settled = 0
  for _, item in ipairs(args.items) do
    local entry = item.host .. ' ' .. item.key
    if redis.call('HDEL', key('held:' .. item.session), entry) == 1 then
      settled = settled + 1
      redis.call('HSET', key('u:' .. item.host), item.key, item.record)
      redis.call('HDEL', key('tries'), entry)
      if item.due then redis.call('ZADD', key('w:' .. item.host), now + item.due, item.key) end
      if item.down == true then down(item.host) end
      if item.down == false then redis.call('HDEL', key('h:' .. item.host), 'down') end
      count(item.outcome)
      touch(item.host)
    end
  end
  return settled
end

function calls.robots()
  if args.pause then redis.call('HSET', key('h:' .. args.host), 'delay', args.pause)
  else redis.call('HDEL', key('h:' .. args.host), 'delay') end
  return add_all(args.found)
end

function calls.tdm()
  redis.call('SET', key('tdm:' .. args.origin), args.value, 'PX', args.keep)
  return true
end

function calls.leave()
  surrender(args.session, true)
  return true
end

-- One host as a person sets it.
function calls.host()
  local h = key('h:' .. args.host)
  if redis.call('EXISTS', h) == 0 then return false end
  for name, value in pairs(args.set) do
    if value == '' then redis.call('HDEL', h, name) else redis.call('HSET', h, name, value) end
  end
  touch(args.host)
  local said = redis.call('HGETALL', h)
  local found = {ready = redis.call('ZCARD', key('r:' .. args.host)), waiting = redis.call('ZCARD', key('w:' .. args.host))}
  for i = 1, #said, 2 do found[said[i]] = said[i + 1] end
  return found
end

function calls.status()
  local found = {now = now, seen = {}}
  local seen = redis.call('HGETALL', key('seen'))
  for i = 1, #seen, 2 do found.seen[seen[i]] = tonumber(seen[i + 1]) end
  found.due = redis.call('ZCOUNT', key('hosts'), '-inf', now)
  found.waiting = redis.call('ZCOUNT', key('hosts'), '(' .. now, '+inf')
  found.soon = redis.call('ZCOUNT', key('hosts'), '-inf', now + 60000)
  found.busy = 0
  found.replicas = redis.call('ZCOUNT', key('sessions'), now, '+inf')
  found.under_way = 0
  for _, session in ipairs(redis.call('ZRANGE', key('sessions'), 0, -1)) do
    found.under_way = found.under_way + redis.call('HLEN', key('held:' .. session))
    found.busy = found.busy + redis.call('SCARD', key('busy:' .. session))
  end
  found.paused = redis.call('EXISTS', key('paused')) == 1
  return found
end

function calls.pause()
  if args.on then redis.call('SET', key('paused'), now) else redis.call('DEL', key('paused')) end
  return true
end

return cjson.encode(calls[call]())
