# Completes `kubectl-vnf ...` in fish. To be sourced, or saved as completions/kubectl-vnf.fish.

function __kubectl_vnf_candidates
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    kubectl-vnf __complete -- $words[2..] "$current" </dev/null 2>/dev/null | string match --invert --regex '^:[0-9]+$'
end

complete --command kubectl-vnf --no-files --keep-order --arguments '(__kubectl_vnf_candidates)'
