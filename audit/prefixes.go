package audit

// prefix begins the tokens of a well-known issuer; min is how many token characters must follow.
type prefix struct {
	text string
	min  int
}

var prefixes = [...]prefix{
	{"sk-", 12}, {"sk_live_", 8}, {"sk_test_", 8}, {"rk_live_", 8}, {"rk_test_", 8}, {"whsec_", 8}, {"sk.eyJ", 20},
	{"ghp_", 12}, {"gho_", 12}, {"ghu_", 12}, {"ghs_", 12}, {"ghr_", 12}, {"github_pat_", 12},
	{"glpat-", 12}, {"gldt-", 12}, {"glrt-", 12}, {"glcbt-", 12}, {"glptt-", 12}, {"glft-", 12}, {"glsoat-", 12}, {"glagent-", 12}, {"gloas-", 12},
	{"xoxb-", 8}, {"xoxp-", 8}, {"xoxa-", 8}, {"xoxr-", 8}, {"xoxs-", 8}, {"xoxe-", 8}, {"xoxe.xox", 8}, {"xapp-", 8},
	{"AKIA", 16}, {"ASIA", 16}, {"ABIA", 16}, {"ACCA", 16}, {"AIza", 30}, {"ya29.", 12}, {"GOCSPX-", 16}, {"npm_", 20}, {"pypi-", 20}, {"hf_", 20}, {"api_org_", 20}, {"SG.", 20},
	{"dop_v1_", 20}, {"doo_v1_", 20}, {"dor_v1_", 20}, {"shpat_", 16}, {"shpca_", 16}, {"shppa_", 16}, {"shpss_", 16}, {"sq0atp-", 16}, {"sq0csp-", 16},
	{"lin_api_", 16}, {"lin_oauth_", 16}, {"gsk_", 16}, {"xai-", 16}, {"r8_", 20}, {"jina_", 20}, {"csk-", 20}, {"fw_", 20}, {"tgp_v1_", 20}, {"fc-", 24},
	{"tvly-", 12}, {"nvapi-", 16}, {"figd_", 16}, {"figu_", 16}, {"ntn_", 16}, {"secret_", 40}, {"pplx-", 16}, {"dapi", 32}, {"AGE-SECRET-KEY-", 16}, {"ctx7sk-", 16}, {"apify_api_", 16}, {"e2b_", 24},
	{"ATATT3", 20}, {"ATCTT3", 20}, {"ATBB", 20}, {"tsk_", 20}, {"glsa_", 16}, {"glc_", 20}, {"key-", 28}, {"EAAC", 32}, {"EAAA", 32}, {"BSA", 24},
	{"sbp_", 20}, {"sb_secret_", 16}, {"lsv2_pt_", 20}, {"lsv2_sk_", 20}, {"pul-", 32}, {"rubygems_", 32}, {"NRAK-", 20}, {"NRAL-", 20}, {"NRJS-", 16}, {"PMAK-", 20},
	{"hvs.", 20}, {"hvb.", 20}, {"hvr.", 20}, {"dckr_pat_", 16}, {"dckr_oat_", 16}, {"pscale_", 24}, {"sntrys_", 20}, {"sntryu_", 20}, {"dp.pt.", 20}, {"dp.st.", 20}, {"dp.ct.", 20},
	{"FlyV1", 20}, {"fo1_", 20}, {"fm2_", 20}, {"nfp_", 20}, {"rnd_", 20}, {"vcp_", 20}, {"sgp_", 20}, {"phx_", 20}, {"ops_ey", 20}, {"dt0c01.", 20}, {"sl.u.", 20}, {"AKCp", 30}, {"oy2", 43},
	{"CCIPAT_", 16}, {"rdme_", 30}, {"EZAK", 40}, {"EZTK", 40}, {"duffel_live_", 20}, {"shippo_live_", 20}, {"ory_at_", 20}, {"ory_rt_", 20}, {"cfut_", 20}, {"cfat_", 20}, {"cfk_", 20},
}

// prefixesAt are the indexes in prefixes by first byte, so that nearly every word is passed quickly.
var prefixesAt = func() (at [128][]int) {
	for i, p := range prefixes {
		at[p.text[0]] = append(at[p.text[0]], i)
	}
	return at
}()

// known returns the end of a token of a well-known issuer that begins at i with word, or i.
func known(s, word string, i int) int {
	for _, n := range prefixesAt[word[0]] {
		if p := &prefixes[n]; len(s)-i > len(p.text) && s[i:i+len(p.text)] == p.text {
			if e := tokenEnd(s, i+len(p.text)); e-i-len(p.text) >= p.min {
				return e
			}
		}
	}
	switch {
	case len(word) == 34 && word[:2] == "SK" && isHex(word[2:]): // Twilio
		return i + len(word)
	case len(word) == 17 && word[:3] == "pat" && len(s) >= i+82 && s[i+17] == '.' && isHex(s[i+18:i+82]): // Airtable
		return i + 82
	}
	return i
}

func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// digests stand in front of what is public although it looks drawn by lot: the hashes of packages and public keys.
var digests = [...]struct {
	text string
	size int // bytes of base64 that follow, 0 for as many as there are
}{{"sha512-", 88}, {"sha384-", 64}, {"sha256-", 44}, {"sha1-", 28}, {"h1:", 44}, {"AAAAB3NzaC1", 0}, {"AAAAC3NzaC1", 0}, {"AAAAE2VjZHNh", 0}, {"AAAAGnNrLXNza", 0}}

// digestEnd returns the end of a digest that begins at i, or i.
func digestEnd(s string, i int) int {
	if c := s[i]; c != 's' && c != 'h' && c != 'A' {
		return i
	}
	for n := range digests {
		d := &digests[n]
		if s[i] != d.text[0] || len(s)-i <= len(d.text) || s[i:i+len(d.text)] != d.text {
			continue
		}
		e, most := i+len(d.text), d.size+1
		if d.size == 0 {
			most = 1024
		}
		end := min(len(s), e+most)
		for e < end && (isToken(s[e]) || s[e] == '/' || s[e] == '+' || s[e] == '=') {
			e++
		}
		if d.size == 0 || e-i-len(d.text) == d.size {
			return e
		}
	}
	return i
}
