//! The script of the shell that owns a Postgres.

/// Owns the server and obeys one word per line. At the end of its input, when the test process ends
/// in any way, it stops the server and deletes its directory. With a fifth argument it begins as a
/// copy of the server on that port.
///
/// It sorts by the rules of a language (where it can: from version 15), as servers in use do: code
/// that sorts by bytes must say so. Its processes are in sessions of their own, so each is stopped
/// by its number, and waited for: their shared memory keeps the next server from starting. The
/// first of them is stopped before, so that it does not replace the others.
pub(super) const KEEPER: &str = r#"
dir=$1 port=$2 bin=$3 fsync=$4 primary=$5 pid= language= clock=
cd "$dir"
make() {
  if [ -n "$primary" ]; then
    "$bin/pg_basebackup" --pgdata=data --host=127.0.0.1 --port="$primary" --username=postgres --write-recovery-conf \
      --checkpoint=fast --no-sync
    return
  fi
  if "$bin/initdb" --help | grep -q icu-locale; then language='--locale-provider=icu --icu-locale=en'; fi
  "$bin/initdb" --pgdata=data --username=postgres --auth=trust --encoding=UTF8 --locale=C $language --no-sync
}
serve() {
  [ -e data/PG_VERSION ] || make || return
  if [ -e "$dir/clock" ]; then clock="env LD_PRELOAD=$dir/clock.so DOCKET_TEST_CLOCK=$dir/clock"; fi
  exec $clock "$bin/postgres" -D data -p "$port" -k "$dir" -c listen_addresses=127.0.0.1 -c max_connections=300 -c fsync="$fsync"
}
children() { cat "/proc/$pid/task/$pid/children"; }
runs() { grep -qs '^State:.[^XZ]' "/proc/$1/status"; }
end() {
  kill -STOP "$pid"
  all=$(children)
  kill -KILL $all "$pid"
  wait "$pid"
  for child in $all; do while runs "$child"; do sleep 0.01; done; done
}
while read -r word; do
  case $word in
    start) serve >>log 2>&1 & pid=$! ;;
    kill) end; pid= ;;
    stop) kill -INT "$pid"; wait "$pid"; pid= ;;
    fill) dd if=/dev/zero bs=1M >>data/ballast; while dd if=/dev/zero bs=4k count=16 >>data/ballast; do :; done ;;
    free) rm data/ballast ;;
    pause) kill -STOP "$pid"; kill -STOP $(children) ;;
    resume) kill -CONT $(children); kill -CONT "$pid" ;;
  esac
  echo "$pid"
done
if [ -n "$pid" ]; then end; fi
rm -rf -- "$dir"
"#;

/// Runs the keeper's script, its first argument, with `data` on a disk of the size of its second. A
/// mount in a namespace of its own goes with the last process in it.
pub(super) const ON_SMALL_DISK: &str = r#"
export keeper="$1" size="$2"
shift 2
mount='mkdir "$1/data" && mount -t tmpfs -o "size=$size,uid=$owner,mode=700" tmpfs "$1/data" || exit
  exec $leave sh -c "$keeper" keeper "$@"'
if [ "$(id -u)" = 0 ]; then
  export leave='setpriv --reuid=65534 --regid=65534 --clear-groups' owner=65534
  set -- --mount sh -c "$mount" keeper "$@"
else
  export leave='unshare --map-user=65534 --map-group=65534' owner=0
  set -- --map-root-user --mount sh -c "$mount" keeper "$@"
fi
exec unshare "$@"
"#;
