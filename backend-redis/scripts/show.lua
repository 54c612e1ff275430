-- A record as Inspect shows it.
local function view(rec)
  local follower = rec.follower
  return {
    rec.key, rec.name, rec.queue, shown_state(rec), text_of(rec, 'args', rec.args) or '', rec.attempts, rec.crashes,
    rec.fence or false, rec.visible, rec.added, rec.worker or false, rec.error or false,
    text_of(rec, 'results', rec.result) or false, rec.every or false, rec.failures, rec.cancelling and 1 or 0,
    follower and text_of(rec, 'followers', follower.args) or false, follower and follower.visible or false,
  }
end
