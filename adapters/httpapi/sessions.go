package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// The session's cookie. Over TLS its name keeps others of the same site from setting it.
const (
	sessionCookie       = "remora_session"
	sessionCookieSecure = "__Host-" + sessionCookie
)

const keySession = "remora.session"

var (
	errSignInOff = &domain.Error{
		Kind: domain.KindConflict, Code: "sign_in_off", Message: "nobody signs in here: AUTH_MODE is none, and everybody on this machine may do everything",
	}
	errForeignPage = &domain.Error{
		Kind: domain.KindDenied, Code: "origin_denied",
		Message: "this page may not use the session of the browser it is in; name its origin in CORS_ALLOWED_ORIGINS if it should, or send a token",
	}
)

// caller tells who asks, and by what: a token, or a session where there is none.
func (s *Server) caller(r *http.Request) (session ports.Session, mode string, err error) {
	if s.cfg.AuthNone {
		return ports.Session{Principal: domain.Principal{Name: "anonymous", Role: domain.RoleAdmin}}, wire.ByNothing, s.sameMachine(r)
	}
	cookie, ok := sessionOf(r)
	if ok && r.Header.Get(echo.HeaderAuthorization) == "" {
		if err = s.ownPage(r); err == nil {
			session, err = s.cfg.Sessions.Resume(r.Context(), cookie)
		}
		return session, wire.BySession, err
	}
	scheme, token, _ := strings.Cut(r.Header.Get(echo.HeaderAuthorization), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return session, "", domain.ErrUnauthenticated.Withf("sign in first: send Authorization: Bearer and a token")
	}
	session.Principal, err = s.cfg.Auth.Authenticate(r.Context(), domain.NewSecret(token))
	return session, wire.ByToken, err
}

// ownPage keeps pages of other sites from acting in the name of whoever is signed in. A browser says which page asks, in
// every request that changes something; one that does not say is none, and has no business with a cookie.
func (s *Server) ownPage(r *http.Request) error {
	if slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, r.Method) {
		return nil
	}
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" || s.origins.Check(r) != nil {
		return errForeignPage
	}
	return nil
}

// ownOrigins returns what tells the dashboard's pages from others: its own origin, and those that the settings name.
func ownOrigins(origins []string) (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	for _, o := range origins {
		if err := p.AddTrustedOrigin(o); err != nil {
			return nil, domain.Invalid("cors_origin", "%q is not an exact origin; write it as https://remora.example.org, without a path", o)
		}
	}
	return p, nil
}

func (s *Server) signIn(c echo.Context) error {
	r := c.Request()
	var b wire.SignIn
	if err := bind(c, &b, maxBody); err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	proof, err := b.Proof()
	switch {
	case err != nil:
		return err
	case s.cfg.AuthNone:
		return errSignInOff
	case s.origins.Check(r) != nil: // or another site could sign its visitor in as somebody of its own
		return errForeignPage
	}
	pass, session, err := s.cfg.Sessions.SignIn(r.Context(), proof)
	if err != nil {
		return err
	}
	setSession(c, pass)
	return s.json(c, http.StatusOK, wire.SessionOf(session, wire.BySession))
}

func (s *Server) getSession(c echo.Context) error {
	if err := params(c).err; err != nil {
		return err
	}
	session, _ := c.Get(keySession).(wire.Session)
	return s.resource(c, session)
}

// signOut ends the session of the cookie, and takes the cookie away. Signing out twice is signing out.
func (s *Server) signOut(c echo.Context) error {
	r := c.Request()
	if err := params(c).err; err != nil {
		return err
	}
	if err := bindNothing(c); err != nil {
		return err
	}
	if cookie, ok := sessionOf(r); ok && !s.cfg.AuthNone {
		if err := s.ownPage(r); err != nil {
			return err
		}
		if err := s.cfg.Sessions.SignOut(r.Context(), cookie); err != nil {
			return err
		}
		setSession(c, ports.IssuedPass{ExpiresAt: time.Unix(0, 0)})
	}
	return s.json(c, http.StatusOK, wire.Message{Message: "you are signed out"})
}

func (s *Server) makeCode(c echo.Context) error {
	if err := params(c).err; err != nil {
		return err
	}
	if err := bindNothing(c); err != nil {
		return err
	}
	if s.cfg.AuthNone {
		return errSignInOff
	}
	code, err := s.cfg.Sessions.Code(c.Request().Context(), principal(c))
	if err != nil {
		return err
	}
	return s.json(c, http.StatusCreated, wire.SignInCodeOf(code))
}

// setSession gives the browser the session's cookie; one that has ended takes it away.
func setSession(c echo.Context, p ports.IssuedPass) {
	secure := secureRequest(c.Request())
	cookie := &http.Cookie{
		Name: sessionCookie, Value: p.Text.Reveal(), Path: "/", Expires: p.ExpiresAt.UTC(),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure,
	}
	if secure {
		cookie.Name = sessionCookieSecure
	}
	if p.Text.Empty() {
		cookie.MaxAge = -1
	}
	c.SetCookie(cookie)
}

func sessionOf(r *http.Request) (domain.Secret, bool) {
	name := sessionCookie
	if secureRequest(r) {
		name = sessionCookieSecure
	}
	cookie, err := r.Cookie(name)
	if err != nil || cookie.Value == "" {
		return domain.Secret{}, false
	}
	return domain.NewSecret(cookie.Value), true
}

// secureRequest reports whether the browser came over TLS, to us or to a proxy before us. Who lies about that only spoils
// their own cookie.
func secureRequest(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}
