-- Common to all scripts: the docket's keys, its time, the arguments. Makes no transition.
--
-- KEYS[1] is `docket:{NAME}:meta`; every other key of the docket is derived from it and shares its
-- hash tag:
--
--   meta                 hash    fence, seq, seen, offset, settled, steps, clock, trim, turn,
--                                layout, environment, moving_to, finished_bytes, dead_bytes
--   tasks                hash    one packed record per task: see record.lua
--   args, results, successors   hash    payloads that are too large for their record
--   queued, leased       zset    the indexes below that are not empty, as `KIND:QUEUE|NAME`, each
--                                with a bound: a time no later than that of its first entry;
--                                `queued` lists queued and moving tasks
--   due:, sus:           zset    queued tasks by visible_at; suspects (crashes >= 2) separately
--   run:, srun:          zset    leased tasks by deadline; suspects separately
--   mov:                 zset    tasks exported to another store, by visible_at
--   finished, dead       zset    keys by the time at which they are trimmed
--   kept                 zset    finished periodic tasks by the time they finished: never trimmed
--   finished_counts      hash    the number of finished tasks, by `STATE|QUEUE|NAME`
--   corrupt              set     keys with an unusable record or index entry; the record is kept
--   requests:0, requests:1    hash    answered lease requests, see remembered.lua
--   workers              hash    the records of workers, see worker.lua
--   w:, ws:              list    wake-ups for waiters of a lane (`QUEUE|NAME`);
--                                suspects separately
--   wakes                set     every wake list ever written
--   waiting, p:ID        zset, list   the waiters by the end of their wait (server's time), and a
--                                private wake-up list for each
--   standby              hash    wake list -> the time until which a second waiter still has to
--                                poll: see waiters.lua
--   armed                hash    the waiter that polls a lane at a time, as `TIME WAITER WORKER`:
--                                see waiters.lua
--
-- A key that is a UUID in its usual spelling, as generated keys are, is stored as a zero byte and
-- 16 bytes; any other as its text.
--
-- Scores and numbers are whole and below 2^53, so they are exact; `whole` is the only way to turn
-- one into text, because tostring() and .. would round microseconds to 14 digits.

local META = KEYS[1]
local P = string.sub(META, 1, -5)
local call, pack, unpacked, cut_of = redis.call, struct.pack, struct.unpack, string.sub

local whole_number, whole_text
-- Most tasks of a batch share one time: cache the last text.
local function whole(number)
  if number ~= whole_number then whole_number, whole_text = number, string.format('%.0f', number) end
  return whole_text
end

local function server_time()
  local time = call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local meta =
  call('HMGET', META, 'clock', 'seen', 'seq', 'trim', 'turn', 'fence', 'finished_bytes', 'dead_bytes', 'offset', 'layout')
-- A call of another build would misread the data; nothing has been written yet.
if meta[10] and tonumber(meta[10]) ~= LAYOUT then error('OTHERLAYOUT ' .. meta[10]) end

-- The docket's time, and its lead over the server's clock (or over the clock override of tests).
-- The time never goes back: if the clock was set back, the step is added to the offset. `meta.seen`
-- is the latest time written.
local function clock()
  local server, ahead, seen = tonumber(meta[1] or server_time()), tonumber(meta[9] or '0'), tonumber(meta[2] or '0')
  local by = math.max(seen - server - ahead, 0)
  return server + ahead + by, ahead + by, by
end
local now, offset, stepped = clock()
local frozen = meta[1] and true or false

local function note_time()
  call('HSET', META, 'seen', whole(now))
  if stepped == 0 then return end
  call('HSET', META, 'offset', whole(offset))
  if stepped >= STEP_MIN then call('HINCRBY', META, 'steps', 1) end
end

-- The offset of the docket's time as reported (since it was last settled), and how often the clock
-- was set back.
local function clock_told()
  if offset == 0 then return { 0, 0 } end
  local told = call('HMGET', META, 'settled', 'steps')
  return { offset - tonumber(told[1] or '0'), tonumber(told[2] or '0') }
end

-- `meta.trim`: no later than the first time at which a record is to be trimmed. 0: unknown.
local trim_at = tonumber(meta[4] or '0')

-- Invariant: one of these two is the first write of every script that makes a transition. The
-- server judges a script by its first write alone: a refused script has written nothing, an
-- admitted one runs to its end.
--
-- A server that is read-only or cannot persist refuses both. A server that is out of memory refuses
-- this one: a full docket takes no new tasks. It draws one sequence number per task; gaps are
-- harmless.
local seq, seq_last = 0, 0
local function begin_adding(count)
  seq = tonumber(meta[3] or '0')
  seq_last = seq + count
  call('HSET', META, 'seen', whole(now), 'seq', whole(seq_last))
  if stepped > 0 then note_time() end
  if not meta[10] then call('HSET', META, 'layout', LAYOUT) end
end

-- Begins with a deletion, which a full server admits: a full docket can still be worked off.
local function begin()
  call('HDEL', META, 'none')
  note_time()
  if not meta[10] then call('HSET', META, 'layout', LAYOUT) end
end

-- Draws consecutive fences; answers the one before the first. Each is larger than all before it and
-- at least the docket's time, so that fences keep growing even if the data was restored from a
-- snapshot that misses the latest.
local fence_last = tonumber(meta[6] or '0')
local function draw_fences(count)
  local before = math.max(fence_last, now - 1)
  fence_last = before + count
  call('HSET', META, 'fence', whole(fence_last))
  return before
end

-- Runs a variadic command over `list` in chunks: unpack() of an unbounded list overflows the stack.
local function chunked(command, key, list)
  for from = 1, #list, CHUNK do call(command, key, unpack(list, from, math.min(from + CHUNK - 1, #list))) end
end

-- The list `name` of the table `lists`, created on first use.
local function list_in(lists, name)
  local list = lists[name]
  if not list then
    list = {}
    lists[name] = list
  end
  return list
end

-- Arguments, read in order.
local at = 0
local function arg()
  at = at + 1
  return ARGV[at]
end
local function number() return tonumber(arg()) end
-- An absent argument is sent as an empty text.
local function optional()
  local text = arg()
  if text == '' then return nil end
  return text
end
local function optional_number() return tonumber(optional() or '') end
