# Completion of supervisord for bash. An empty answer lets bash offer files.

_supervisord()
{
	COMPREPLY=()
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-c | --config | =) return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W '-c --config --check -h --help --version' -- "$2")
}

complete -o default -F _supervisord supervisord
