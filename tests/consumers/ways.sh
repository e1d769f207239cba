# For scripts that try ways to take sheaf in: one line a way, PASS or FAIL. Logs lie in $out.

failed=0

# way NAME COMMAND...: runs it with its output in a log, says how it went.
way() {
  local name=$1 log="$out/${1// /-}.log"
  shift
  if "$@" >"$log" 2>&1; then
    echo "PASS $name"
  else
    echo "FAIL $name"
    echo "    the end of $log:"
    tail -n 30 "$log" | sed 's/^/    /'
    failed=1
  fi
}
