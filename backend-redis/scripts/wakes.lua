-- Wake-ups, and what a lane is called.

-- A lane as people and indexes have it: `QUEUE|NAME`.
local function label_of(lane) return cut_of(lane, 1, 1) == '|' and 'default' .. lane or lane end

-- Leaves one wake-up in a list, unless one is there: it is kept until a waiter takes it.
local function push(list)
  if call('EXISTS', P .. list) == 0 then
    call('RPUSH', P .. list, '1')
    call('SADD', P .. 'wakes', list)
  end
end

-- Wakes one waiter that asks for this name, and one that takes any.
local function wake(list)
  push(list)
  push((string.gsub(list, '|.*$', '|*')))
end

-- Whether anybody waits: who does is listed by the look that found nothing, so that without one listed there is nobody
-- to wake, and a waiter to come looks first.
local waited
local function anybody_waits()
  if waited == nil then waited = call('EXISTS', P .. 'waiting') == 1 end
  return waited
end
