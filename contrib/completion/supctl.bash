# Completion of supctl for bash. What there is to complete, supctl says itself.

_supctl()
{
	local line=${COMP_LINE:0:COMP_POINT} piece cut candidate
	local -a words=()

	# bash splits words at : = and @, too; supctl wants them as they were typed, to the cursor.
	for piece in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
		if [[ ${#words[@]} -gt 0 && $line != [[:space:]]* ]]; then
			[[ $line == "$piece"* ]] || piece=$line
			words[-1]+=$piece
		else
			line=${line#"${line%%[![:space:]]*}"}
			[[ $line == "$piece"* ]] || piece=$line
			words+=("$piece")
		fi
		line=${line#"$piece"}
	done

	# Only $2 is replaced: what stands before it in the same word must not come again. Quotes
	# go, and nothing is expanded.
	cut=${words[-1]%"$2"}
	words=("${words[@]//[\\\"\']/}")
	COMPREPLY=()
	while IFS=$'\t' read -r candidate _; do
		if [[ $candidate == :files ]]; then
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$2")
			return
		fi
		COMPREPLY+=("${candidate#"$cut"}")
	done < <("${1/#\~\//$HOME/}" __complete "${words[@]:1}" 2>/dev/null)
}

complete -F _supctl supctl
