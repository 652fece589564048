# shellcheck shell=bash
# Made from the option tables by src/build/render.mjs. Do not edit.

_ts_broker_offer() {
  local word
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$@" -- "$cur")
}

_ts_broker() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD - 1]}"
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then _ts_broker_offer -W db; fi
  if ((COMP_CWORD > 1)) && [[ "${COMP_WORDS[1]}" == db ]]; then
    _ts_broker_offer -W '--stats --client-stats --json -h --help'
    if ((COMP_CWORD == 2)); then
      _ts_broker_offer -W 'dump check'
    else
      _ts_broker_offer -f
    fi
    return
  fi
  if ((COMP_CWORD == 1)); then _ts_broker_offer -W passwd; fi
  if ((COMP_CWORD > 1)) && [[ "${COMP_WORDS[1]}" == passwd ]]; then
    _ts_broker_offer -W '-b -c -D -U -H -I --help'
    if ((COMP_CWORD == 2)); then
      _ts_broker_offer -W ''
    else
      _ts_broker_offer -f
    fi
    return
  fi
  if ((COMP_CWORD == 1)); then _ts_broker_offer -W dynsec; fi
  if ((COMP_CWORD > 1)) && [[ "${COMP_WORDS[1]}" == dynsec ]]; then
    _ts_broker_offer -W '--help'
    if ((COMP_CWORD == 2)); then
      _ts_broker_offer -W 'init'
    else
      _ts_broker_offer -f
    fi
    return
  fi
  if ((COMP_CWORD == 1)); then _ts_broker_offer -W check-acl; fi
  if ((COMP_CWORD > 1)) && [[ "${COMP_WORDS[1]}" == check-acl ]]; then
    _ts_broker_offer -W '-c --config-file -i --client-id -p --port --help'
    if ((COMP_CWORD == 2)); then
      _ts_broker_offer -W ''
    else
      _ts_broker_offer -f
    fi
    return
  fi
  if ((COMP_CWORD == 1)); then _ts_broker_offer -W reload; fi
  if ((COMP_CWORD > 1)) && [[ "${COMP_WORDS[1]}" == reload ]]; then
    _ts_broker_offer -W '-p --pid --pid-file -c --config-file --help'
    if ((COMP_CWORD == 2)); then
      _ts_broker_offer -W ''
    else
      _ts_broker_offer -f
    fi
    return
  fi
  if ((COMP_CWORD == 1)); then _ts_broker_offer -W signal; fi
  if ((COMP_CWORD > 1)) && [[ "${COMP_WORDS[1]}" == signal ]]; then
    _ts_broker_offer -W '-p --pid --pid-file -c --config-file --help'
    if ((COMP_CWORD == 2)); then
      _ts_broker_offer -W 'config-reload log-rotate shutdown tree-print'
    else
      _ts_broker_offer -f
    fi
    return
  fi
  if ((COMP_CWORD == 1)); then _ts_broker_offer -W install; fi
  if ((COMP_CWORD > 1)) && [[ "${COMP_WORDS[1]}" == install ]]; then
    _ts_broker_offer -W '--prefix --user --systemd --compat --dry-run --help'
    if ((COMP_CWORD == 2)); then
      _ts_broker_offer -W ''
    else
      _ts_broker_offer -f
    fi
    return
  fi
  if ((COMP_CWORD == 1)); then _ts_broker_offer -W uninstall; fi
  if ((COMP_CWORD > 1)) && [[ "${COMP_WORDS[1]}" == uninstall ]]; then
    _ts_broker_offer -W '--prefix --user --dry-run --help'
    if ((COMP_CWORD == 2)); then
      _ts_broker_offer -W ''
    else
      _ts_broker_offer -f
    fi
    return
  fi
  case "$prev" in
    -c | --config-file) _ts_broker_offer -f; return ;;
    -p | --port) return ;;
    --tls-keylog) _ts_broker_offer -f; return ;;
  esac
  _ts_broker_offer -W '-c --config-file -p --port --test-config -v --verbose -q --quiet --tls-keylog -d --daemon --health -h --help --version'
}
complete -o filenames -F _ts_broker ts-broker
