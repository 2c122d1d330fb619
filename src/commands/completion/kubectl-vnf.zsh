#compdef kubectl-vnf
# Completes `kubectl-vnf ...` in zsh. To be sourced after compinit, or saved as _kubectl-vnf in a folder of fpath.

_kubectl-vnf() {
  local -a answer open open_shown closed closed_shown
  local line value shown
  answer=("${(@f)$(kubectl-vnf __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" </dev/null 2>/dev/null)}")
  for line in "${answer[@]}"; do
    if [[ -z $line || $line =~ '^:[0-9]+$' ]]; then continue; fi
    value=${line%%$'\t'*}
    shown=$value
    if [[ $line == *$'\t'* ]]; then shown+="  -- ${line#*$'\t'}"; fi
    # Who takes a folder, or a flag with its equals sign, goes on in the same word.
    if [[ $value == *[/=] ]]; then
      open+=("$value")
      open_shown+=("$shown")
    else
      closed+=("$value")
      closed_shown+=("$shown")
    fi
  done
  local result=1
  if (($#closed)); then compadd -l -d closed_shown -a closed && result=0; fi
  if (($#open)); then compadd -l -S '' -d open_shown -a open && result=0; fi
  return result
}

# Autoloaded, this file is the function's body; sourced, it defines it.
if [[ $funcstack[1] == _kubectl-vnf ]]; then
  _kubectl-vnf "$@"
else
  compdef _kubectl-vnf kubectl-vnf
fi
