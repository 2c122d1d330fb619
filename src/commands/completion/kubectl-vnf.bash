# Completes `kubectl-vnf ...` in bash. To be sourced.

_kubectl_vnf() {
  local line=${COMP_LINE:0:COMP_POINT} words=() word rest raw cut='' candidate i
  # Readline cuts words at = and : too, which belong to words here: what no blank stands before goes on.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    rest=${line#"${line%%[![:space:]]*}"}
    if ((i == COMP_CWORD)); then word=$rest; else word=${COMP_WORDS[i]}; fi
    if ((i > 0)) && [[ $rest == "$line" ]]; then
      words[${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    line=${rest#"$word"}
  done
  raw=${words[${#words[@]} - 1]}
  # Of what is being typed, readline only replaces what comes after its last cut.
  if [[ $COMP_WORDBREAKS == *=* && $raw == *=* ]]; then cut=${raw%"${raw##*=}"}; fi
  if [[ $COMP_WORDBREAKS == *:* && ${raw#"$cut"} == *:* ]]; then cut=${raw%"${raw##*:}"}; fi

  COMPREPLY=()
  while IFS= read -r candidate; do
    if [[ $candidate =~ ^:[0-9]+$ ]]; then
      if ((${candidate#:} & 2)); then compopt -o nospace; fi
      continue
    fi
    candidate=${candidate%%$'\t'*}
    candidate=${candidate#"$cut"}
    # Within quotes readline wants it as it is.
    if [[ ${raw#"$cut"} != [\"\']* ]]; then printf -v candidate %q "$candidate"; fi
    COMPREPLY+=("$candidate")
  done < <(kubectl-vnf __complete -- "${words[@]:1:${#words[@]}}" </dev/null 2>/dev/null)
}

complete -o nosort -F _kubectl_vnf kubectl-vnf
