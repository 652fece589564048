# Made from the option tables by src/build/render.mjs. Do not edit.

_ts_broker() {
  local IFS=$'\n' cur="${COMP_WORDS[COMP_CWORD]}" prev=""
  if ((COMP_CWORD > 0)); then prev="${COMP_WORDS[COMP_CWORD - 1]}"; fi
  if ((COMP_CWORD == 1)) && [[ -n "$cur" && db == "$cur"* ]]; then
    COMPREPLY=(db)
    return
  fi
  if ((COMP_CWORD > 1)) && [[ "${COMP_WORDS[1]}" == db ]]; then
    COMPREPLY=($(compgen -W $'dump\ncheck\n--stats\n--client-stats\n--json\n-h\n--help' -- "$cur"))
    if ((COMP_CWORD > 2)); then COMPREPLY+=($(compgen -f -- "$cur")); fi
    return
  fi
  case "$prev" in
    -c | --config-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    -p | --port) COMPREPLY=(); return ;;
  esac
  COMPREPLY=($(compgen -W $'-c\n--config-file\n-p\n--port\n--test-config\n-v\n--verbose\n-q\n--quiet\n-d\n--daemon\n-h\n--help\n--version' -- "$cur"))
}
complete -o filenames -F _ts_broker ts-broker
