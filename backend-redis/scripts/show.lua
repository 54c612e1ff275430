-- A record as Inspect shows it, with times of the server's clock.
local function view(rec)
  local lane, more = lane_of(rec), rec[MORE]
  local successor = more.successor
  local worker = rec[WORKER] ~= '' and rec[WORKER]
  return {
    rec[KEY], lane.name, lane.queue, shown_state(rec), args_of(rec) or '', more.attempts or 0, more.crashes or 0,
    some(rec[FENCE]) or false, rec[VISIBLE] - offset, rec[ADDED] - offset, worker, more.error or false,
    text_of(rec, 'results', more.result) or false, more.every or false, more.failures or 0, rec[CANCELLING] and 1 or 0,
    successor and text_of(rec, 'successors', successor.args) or false, successor and successor.visible - offset or false,
  }
end
