-- A record as Inspect shows it.
local function view(rec)
  local lane, follower = lane_of(rec), rec[FOLLOWER]
  local worker = rec[WORKER] ~= '' and rec[WORKER]
  return {
    rec[KEY], lane.name, lane.queue, shown_state(rec), args_of(rec) or '', rec[ATTEMPTS], rec[CRASHES],
    some(rec[FENCE]) or false, rec[VISIBLE], rec[ADDED], worker, rec[ERROR] or false,
    text_of(rec, 'results', rec[RESULT]) or false, rec[EVERY] or false, rec[FAILURES], rec[CANCELLING] and 1 or 0,
    follower and text_of(rec, 'followers', follower.args) or false, follower and follower.visible or false,
  }
end
