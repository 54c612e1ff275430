-- Transition: Dead, or a finished perpetual, of the same fence -> Queued, due now, with the docket's next fence.
-- Keys: meta. Args: key, fence (0: it never had one).
-- Result: requeued, exists:STATE, exists:cancelling, notfound, corrupt, elsewhere (its task was moved).
-- Twice: a record knows the fence requeued last and answers requeued again; a later life is never hit.
begin()
local key, fence = arg(), number()
local rec, corrupt = load(key)
if corrupt then return 'corrupt' end
if not rec then return 'notfound' end
if rec.requeued == fence then return 'requeued' end
if is_away(rec) then return 'elsewhere' end
local over = rec.state == 'dead' or (is_finished(rec) and rec.every)
if not over or (rec.fence or 0) ~= fence then return existing(rec) end
rec.state, rec.visible, rec.due, rec.requeued = 'queued', now, now, fence
-- So that a death without another lease has a fence of its own.
rec.fence = call('HINCRBY', META, 'fence', 1)
rec.attempts, rec.crashes, rec.failures, rec.crashed = 0, 0, 0, 0
begin_life(rec)
keep(rec)
finish_writes()
return 'requeued'
