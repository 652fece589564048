# shellcheck shell=bash
# Made from the option tables by src/build/render.mjs. Do not edit.

_ts_rr_offer() {
  local word
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$@" -- "$cur")
}

_ts_rr() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD - 1]}"
  COMPREPLY=()
  if ((COMP_CWORD > 2)); then
    case "${COMP_WORDS[COMP_CWORD - 2]}" in -D | --property) _ts_rr_offer -W 'authentication-data authentication-method content-type correlation-data maximum-packet-size message-expiry-interval payload-format-indicator reason-string receive-maximum request-problem-information request-response-information response-topic server-reference session-expiry-interval subscription-identifier topic-alias topic-alias-maximum user-property will-delay-interval'; return ;; esac
  fi
  if ((COMP_CWORD > 3)); then
    case "${COMP_WORDS[COMP_CWORD - 3]}" in -D | --property) return ;; esac
  fi
  case "$prev" in
    -t | --topic) return ;;
    -e) return ;;
    -m | --message) return ;;
    -f | --file) _ts_rr_offer -f; return ;;
    -q | --qos) _ts_rr_offer -W '0 1 2'; return ;;
    --retain-handling) _ts_rr_offer -W 'always new never'; return ;;
    -F) return ;;
    -W) return ;;
    -L | --url) return ;;
    -h | --host) _ts_rr_offer -A hostname; return ;;
    -p | --port) return ;;
    -u | --username) return ;;
    -P | --pw) return ;;
    --pw-file) _ts_rr_offer -f; return ;;
    -V | --protocol-version) _ts_rr_offer -W 'mqttv31 mqttv311 mqttv5'; return ;;
    -k | --keepalive) return ;;
    -A) return ;;
    --unix) _ts_rr_offer -f; return ;;
    --proxy) return ;;
    -D | --property) _ts_rr_offer -W 'connect publish subscribe unsubscribe disconnect will'; return ;;
    -i | --id) return ;;
    -I | --id-prefix) return ;;
    -x) return ;;
    -M) return ;;
    --will-topic) return ;;
    --will-payload) return ;;
    --will-qos) _ts_rr_offer -W '0 1 2'; return ;;
    --cafile) _ts_rr_offer -f; return ;;
    --capath) _ts_rr_offer -f; return ;;
    --cert) _ts_rr_offer -f; return ;;
    --key) _ts_rr_offer -f; return ;;
    --keyform) _ts_rr_offer -W 'pem'; return ;;
    --ciphers) return ;;
    --tls-version) _ts_rr_offer -W 'tlsv1.2 tlsv1.3'; return ;;
    --tls-alpn) return ;;
    --tls-keylog) _ts_rr_offer -f; return ;;
    --psk) return ;;
    --psk-identity) return ;;
    --tls-engine) return ;;
    --tls-engine-kpass-sha1) return ;;
    -o) _ts_rr_offer -f; return ;;
  esac
  _ts_rr_offer -W '-t --topic -e -m --message -f --file -s --stdin-file -n --null-message -q --qos -R --retain-as-published --retain-handling -v --verbose -F --pretty -N --latency -W -L --url -h --host -p --port -u --username -P --pw --pw-file -V --protocol-version -k --keepalive --nodelay -A --unix --ws -S --proxy -D --property -i --id -I --id-prefix -c --disable-clean-session -x -M --will-topic --will-payload --will-qos --will-retain --cafile --capath --tls-use-os-certs --cert --key --keyform --ciphers --tls-version --tls-alpn --insecure --tls-keylog --psk --psk-identity --tls-engine --tls-engine-kpass-sha1 --no-tls -o --compat-exit -d --debug --quiet --help --version'
}
complete -o filenames -F _ts_rr ts-rr
