# --------------------------------------------------------------------------------------------------- install, begin, release

do_install() {
  [ -n "$sha256" ] || usage "sha256 is wanted"
  ! is_pinned || fail 77 "This host is hardened, so only root changes its agent; as root, run the script of 'adopt --print-hardening' again."
  umask 022
  mkdir -p "$base" 2>/dev/null || fail 67 "$base cannot be made (is the file system read-only, or full?)."
  chmod 0711 "$base" 2>/dev/null || cannot_write "$base"
  incoming=$base/.agent.$$
  { read_payload | head -c 1048576 >"$incoming"; } 2>/dev/null || cannot_write "$base"
  digest=$(sha256sum <"$incoming")
  [ "${digest%% *}" = "$sha256" ] || fail 70 "The agent arrived incomplete (its hash differs); try again."
  chmod 0755 "$incoming" && sync "$incoming" && mv -f "$incoming" "$base/agent.sh" || cannot_write "$base"
  incoming=''
}

do_begin() {
  [ -n "$deployment" ] || usage "deployment is wanted"
  load_program
  [ -n "$binary" ] || fail 67 "${argv%%"$nl"*} is not on this host (not in $PATH); install it."
  [ "$program" = nginx ] || [ -n "$reload" ] || fail 67 "The playbook's reload is auto, but ${argv%%"$nl"*} is not nginx; give the reload command as a list."
  check_targets
  make_state
  take_lock
  said_offset=$clock_offset
  read_owner
  read_guard
  if [ "$preempt" != yes ]; then
    [ "$guard" != armed ] || [ "$guard_deployment" = "$deployment" ] ||
      busy "The guard of deployment $guard_deployment is armed on this host for another $((guard_left / 100)) s; wait for it, or roll back, which pre-empts it."
    # Its controller is gone, and so is what carried it.
    [ "$guard" != expired ] || take_back contact
  fi
  if [ -n "$owner" ] && [ "$owner" != "$deployment" ] && [ "$preempt" != yes ] && [ "$silent" -lt "$owner_silent_s" ]; then
    busy "Deployment $owner of ${owner_controller:-somebody} owns this host and was heard $silent s ago; wait for it, or roll back, which pre-empts it."
  fi
  # Also its own deployment is pre-empted: a recovery fences the controller that was believed dead.
  if [ "$owner" != "$deployment" ] || [ "$preempt" = yes ]; then
    [ "$owner" = "$deployment" ] || gone_file reverted
    owner_epoch=$((owner_epoch + 1))
    write_owner "$owner_epoch" "$deployment" "$controller"
    # Whoever was told that the host is his finds it so after a crash.
    sync "$instance/owner" || cannot_write "$instance"
  fi
  epoch=$owner_epoch owner=$deployment
  make_store
  [ -n "$said_offset" ] || read_clock
  hear
  [ "$recalled" = yes ] || remember_program
  logging=yes
  repair
  say epoch "$epoch"
  note ok
}

do_release() {
  [ -n "$deployment" ] || usage "deployment is wanted"
  load_program
  [ -d "$instance" ] || return 0
  take_lock
  logging=yes
  read_owner
  if [ "$owner" = "$deployment" ] && { [ -z "$epoch" ] || [ "$owner_epoch" = "$epoch" ]; }; then
    write_owner "$owner_epoch" "" ""
    note ok
  fi
}

