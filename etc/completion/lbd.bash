# lbd for bash. Made by: lbd completion bash

_lbd() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at=lbd words='' i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$at ${COMP_WORDS[i]}" in
            'lbd run'|'lbd check'|'lbd adapt'|'lbd demo'|'lbd status'|'lbd top'|'lbd events'|'lbd explain'|'lbd replay'|'lbd simulate'|'lbd report'|'lbd advise'|'lbd ctl'|'lbd ctl drain'|'lbd ctl ready'|'lbd ctl maint'|'lbd ctl weight'|'lbd ctl reset-breaker'|'lbd ctl probe-now'|'lbd ctl experiment'|'lbd ctl alerts'|'lbd ctl silence'|'lbd ctl reload'|'lbd ctl config'|'lbd ctl decisions'|'lbd schema'|'lbd gen'|'lbd dump'|'lbd completion'|'lbd manual'|'lbd train'|'lbd shapes') at="$at ${COMP_WORDS[i]}" ;;
        esac
    done
    case "$at $prev" in
        'lbd check --format') words='text json github' ;;
        'lbd adapt --from') words='bifrost litellm openrouter portkey' ;;
        'lbd explain --class') words='interactive background' ;;
        'lbd run -c'|'lbd run --config'|'lbd check -c'|'lbd check --config'|'lbd status -c'|'lbd status --config'|'lbd status --token-file'|'lbd status --ca-file'|'lbd status --cert-file'|'lbd top -c'|'lbd top --config'|'lbd top --token-file'|'lbd top --ca-file'|'lbd top --cert-file'|'lbd events -c'|'lbd events --config'|'lbd events --token-file'|'lbd events --ca-file'|'lbd events --cert-file'|'lbd explain --body'|'lbd explain -c'|'lbd explain --config'|'lbd explain --token-file'|'lbd explain --ca-file'|'lbd explain --cert-file'|'lbd replay --journal'|'lbd replay -c'|'lbd replay --config'|'lbd simulate -c'|'lbd simulate --config'|'lbd simulate --day'|'lbd simulate --html'|'lbd report -c'|'lbd report --config'|'lbd report --token-file'|'lbd report --ca-file'|'lbd report --cert-file'|'lbd advise -c'|'lbd advise --config'|'lbd advise --token-file'|'lbd advise --ca-file'|'lbd advise --cert-file'|'lbd ctl -c'|'lbd ctl --config'|'lbd ctl --token-file'|'lbd ctl --ca-file'|'lbd ctl --cert-file'|'lbd ctl drain -c'|'lbd ctl drain --config'|'lbd ctl drain --token-file'|'lbd ctl drain --ca-file'|'lbd ctl drain --cert-file'|'lbd ctl ready -c'|'lbd ctl ready --config'|'lbd ctl ready --token-file'|'lbd ctl ready --ca-file'|'lbd ctl ready --cert-file'|'lbd ctl maint -c'|'lbd ctl maint --config'|'lbd ctl maint --token-file'|'lbd ctl maint --ca-file'|'lbd ctl maint --cert-file'|'lbd ctl weight -c'|'lbd ctl weight --config'|'lbd ctl weight --token-file'|'lbd ctl weight --ca-file'|'lbd ctl weight --cert-file'|'lbd ctl reset-breaker -c'|'lbd ctl reset-breaker --config'|'lbd ctl reset-breaker --token-file'|'lbd ctl reset-breaker --ca-file'|'lbd ctl reset-breaker --cert-file'|'lbd ctl probe-now -c'|'lbd ctl probe-now --config'|'lbd ctl probe-now --token-file'|'lbd ctl probe-now --ca-file'|'lbd ctl probe-now --cert-file'|'lbd ctl experiment -c'|'lbd ctl experiment --config'|'lbd ctl experiment --token-file'|'lbd ctl experiment --ca-file'|'lbd ctl experiment --cert-file'|'lbd ctl alerts -c'|'lbd ctl alerts --config'|'lbd ctl alerts --token-file'|'lbd ctl alerts --ca-file'|'lbd ctl alerts --cert-file'|'lbd ctl silence -c'|'lbd ctl silence --config'|'lbd ctl silence --token-file'|'lbd ctl silence --ca-file'|'lbd ctl silence --cert-file'|'lbd ctl reload -c'|'lbd ctl reload --config'|'lbd ctl reload --token-file'|'lbd ctl reload --ca-file'|'lbd ctl reload --cert-file'|'lbd ctl config -c'|'lbd ctl config --config'|'lbd ctl config --token-file'|'lbd ctl config --ca-file'|'lbd ctl config --cert-file'|'lbd ctl decisions -c'|'lbd ctl decisions --config'|'lbd ctl decisions --token-file'|'lbd ctl decisions --ca-file'|'lbd ctl decisions --cert-file'|'lbd gen -c'|'lbd gen --config'|'lbd dump -o'|'lbd dump --out'|'lbd dump -c'|'lbd dump --config'|'lbd dump --token-file'|'lbd dump --ca-file'|'lbd dump --cert-file'|'lbd train --out'|'lbd train --card') mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        'lbd adapt --model'|'lbd adapt --provider'|'lbd demo --seconds'|'lbd demo --api-port'|'lbd demo --admin-port'|'lbd status --admin'|'lbd top --interval'|'lbd top --admin'|'lbd events --subject'|'lbd events -n'|'lbd events --admin'|'lbd explain --model'|'lbd explain --header'|'lbd explain --admin'|'lbd replay --since'|'lbd simulate --hours'|'lbd simulate --rate'|'lbd simulate --seed'|'lbd simulate --outage'|'lbd simulate --hang'|'lbd simulate --brownout'|'lbd simulate --errors'|'lbd report --since'|'lbd report --until'|'lbd report --by'|'lbd report --rows'|'lbd report --admin'|'lbd advise --since'|'lbd advise --admin'|'lbd ctl --admin'|'lbd ctl drain --for'|'lbd ctl drain --reason'|'lbd ctl drain --admin'|'lbd ctl ready --reason'|'lbd ctl ready --admin'|'lbd ctl maint --for'|'lbd ctl maint --reason'|'lbd ctl maint --admin'|'lbd ctl weight --for'|'lbd ctl weight --reason'|'lbd ctl weight --admin'|'lbd ctl reset-breaker --reason'|'lbd ctl reset-breaker --admin'|'lbd ctl probe-now --reason'|'lbd ctl probe-now --admin'|'lbd ctl experiment --reason'|'lbd ctl experiment --admin'|'lbd ctl alerts --admin'|'lbd ctl silence --for'|'lbd ctl silence --reason'|'lbd ctl silence --admin'|'lbd ctl reload --admin'|'lbd ctl config --admin'|'lbd ctl decisions -n'|'lbd ctl decisions --admin'|'lbd dump --admin') return ;;
    esac
    [ -n "$words" ] || case "$at" in
        lbd) words='run check adapt demo status top events explain replay simulate report advise ctl schema gen dump completion manual train shapes --help --version' ;;
        'lbd run') words='--help --config' ;;
        'lbd check') words='--help --config --strict --format --json' ;;
        'lbd adapt') words='--help --from --model --provider --strict --comments --json'; [ "${cur#-}" = "$cur" ] && mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        'lbd demo') words='--help --outage --savings --seconds --api-port --admin-port' ;;
        'lbd status') words='--help --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd top') words='--help --interval --plain --admin --config --token-file --ca-file --cert-file' ;;
        'lbd events') words='--help --follow --subject -n --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd explain') words='--help --model --stream --class --body --header --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd replay') words='--help --journal --since --config --json' ;;
        'lbd simulate') words='--help --config --day --hours --rate --seed --outage --hang --brownout --errors --json --html' ;;
        'lbd report') words='--help --since --until --by --rows --experiments --json --csv --html --admin --config --token-file --ca-file --cert-file' ;;
        'lbd advise') words='--help --since --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl') words='drain ready maint weight reset-breaker probe-now experiment alerts silence reload config decisions --help --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl drain') words='--help --for --reason --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl ready') words='--help --reason --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl maint') words='--help --for --reason --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl weight') words='--help --for --reason --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl reset-breaker') words='--help --reason --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl probe-now') words='--help --reason --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl experiment') words='stop start --help --reason --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl alerts') words='--help --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl silence') words='--help --for --reason --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl reload') words='--help --wait --dry-run --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl config') words='--help --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd ctl decisions') words='--help -n --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd schema') words='config providers --help' ;;
        'lbd gen') words='rules grafana --help --config' ;;
        'lbd dump') words='--help --out --offline --json --admin --config --token-file --ca-file --cert-file' ;;
        'lbd completion') words='bash zsh fish --help' ;;
        'lbd manual') words='lbd.8 lbd.yaml.5 --help' ;;
        'lbd train') words='--help --out --json --card'; [ "${cur#-}" = "$cur" ] && mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        'lbd shapes') words='--help --json' ;;
    esac
    local found
    mapfile -t found < <(compgen -W "$words" -- "$cur")
    COMPREPLY+=("${found[@]}")
}

complete -o filenames -F _lbd lbd
