-- Transition: Dead, or a finished periodic task, of the same fence -> Queued, due now, with the
-- docket's next fence.
-- Keys: meta. Args: key, fence (0: it had none).
-- Result: requeued, exists:STATE, exists:cancelling, notfound, corrupt, elsewhere (its task was
-- moved).
-- Repeated: the record remembers the fence that was requeued last and answers requeued again; a
-- later life is never requeued.
begin()
local key, fence = arg(), number()
local rec, corrupt = load(key)
if corrupt then return 'corrupt' end
if not rec then return 'notfound' end
if rec[MORE].requeued == fence then return 'requeued' end
if is_away(rec) then return 'elsewhere' end
local over = rec[STATE] == DEAD or (is_finished(rec) and rec[MORE].every)
if not over or rec[FENCE] ~= fence then return existing(rec) end
rec[STATE], rec[VISIBLE], rec[DUE] = QUEUED, now, now
-- A new fence, so that a death without another lease still has a fence of its own.
set_fence(rec, draw_fences(1) + 1)
local more = more_of(rec)
more.requeued = fence
more.attempts, more.crashes, more.failures, more.crashed, more.undecodable = nil, nil, nil, nil, nil
begin_life(rec)
keep(rec)
finish_writes()
return 'requeued'
