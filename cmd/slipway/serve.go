package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"slipway/api"
	"slipway/api/admin"
	"slipway/api/assistant"
	"slipway/api/audit"
	"slipway/api/metrics"
	"slipway/api/throttle"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
	"slipway/store/sqlite"
	"slipway/wire"
	"slipway/wire/protocols"
	"slipway/work"
)

// serve runs the server until ctx ends: store → recover → work → HTTP, and
// back in reverse. Machines are left running.
func serve(ctx context.Context, c ServeConfig, stdout, stderr io.Writer) (err error) {
	log := newLogger(c, stderr)
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w: choose another with --data-dir", err)
	}
	st, err := sqlite.Open(c.DataDir, sqlite.Options{Clock: domain.WallClock, CacheBytes: c.CacheMB << 20})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	key, err := firstKey(ctx, st, c.Account)
	if err != nil {
		return err
	}
	guests := newGuests()
	world, err := openWorld(ctx, c, st, guests, log)
	if err != nil {
		return err
	}
	flows := world.Flows()
	engine := work.New(st, work.Options{Workflows: flows, Clock: domain.WallClock, Log: log, Limits: flowLimits})
	if err := engine.Start(ctx); err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		err = errors.Join(err, engine.Stop(stop))
	}()
	collector := &work.Collector{World: world, Log: log}
	collector.Start(ctx)
	defer collector.Stop()
	keeper := startKeeper(ctx, c, world, log)
	defer keeper.stop()
	measured := newTimings()
	machines := startKeepers(ctx, world, measured, log)
	defer machines.stop()

	trail, err := audit.Open(audit.Options{Dir: filepath.Join(c.DataDir, "audit"), Keep: c.AuditKeep, Now: time.Now, NewID: domain.RandomIDs.UUID, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, trail.Close()) }()
	pictures, err := newIcons(c.DataDir)
	if err != nil {
		return err
	}
	svc := &service.Service{Store: st, IDs: domain.RandomIDs, Blocks: blocks{world.Disks}, Host: host{world.Driver}, Config: service.Config{Rules: world.Rules, Operator: c.Account, Icons: pictures, Streaming: &service.Streaming{},
		Instances: world.Instances, Installers: world.Installers, Tool: toolVersion(c), ImageBegun: func(by domain.Caller, img *domain.Image) { trail.Add(audit.ImageBegun(by, img)) },
		Transfers: service.Transfers{Bucket: c.S3Endpoint != "", Dir: c.ImportDir}}}
	if err := syncCatalogue(ctx, c, svc); err != nil {
		return err
	}
	tools := &assistant.API{Service: svc, Log: log}
	listener := &work.Listener{World: world, Log: log, Answer: tools.Answer}
	listener.Start(ctx)
	defer listener.Stop()
	screens := newScreens(svc, world.Driver, &work.Seats{Talk: listener.Talk}, pictureHandler(c.DataDir, pictures), trail, measured, log)
	defer screens.Close()
	figures := metrics.New(slices.Concat(gauges(svc, world), keeper.gauges(), screenFigures(screens), fleetGauges(st, svc, machines))...)
	figures.Add(measured.lag, measured.stream)
	own := ownHandler(admin.Operator{Service: svc, List: listMachines(world.Driver), Steps: stepCounts(flows), Trail: trail, Keeper: keeper}, figures, pictureHandler(c.DataDir, pictures), screens, st, log)
	handler := newHandler(c, st, svc, own, after(trail, figures), log)
	ln, err := listen(c)
	if err != nil {
		return err
	}
	pictures.Base = ln.endpoint + iconsPath
	endpoints, err := openPages(c, ln, screens, svc.Config.Streaming, log)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer endpoints.close()
	guests.open(c, svc, handler, ln.secure, log)
	defer guests.close()
	return answer(ctx, ln, behindProxies(c.TrustedProxies, handler), func() error {
		log.Info("answering", "endpoint", ln.endpoint, "account", key.Account, "region", c.Region, "data", c.DataDir)
		return announce(c, ln, key, stdout)
	}, screens.Close, log)
}

// after tells everybody who watches calls.
func after(trail *audit.Log, figures *metrics.Metrics) func(context.Context, *wire.Call, wire.Outcome) {
	return func(ctx context.Context, call *wire.Call, o wire.Outcome) {
		trail.After(ctx, call, o)
		figures.After(ctx, call, o)
	}
}

// gauges are the figures that are asked for at each scrape.
func gauges(svc *service.Service, w *work.World) []metrics.Gauge {
	return []metrics.Gauge{
		{Name: "slipway_jobs", Help: "Jobs that have not ended, by status.", Label: "status", Read: func(ctx context.Context) (map[string]float64, error) {
			jobs, err := svc.Jobs(ctx, 0, true)
			n := map[string]float64{}
			for _, j := range jobs {
				n[string(j.Status)]++
			}
			return n, err
		}},
		{Name: "slipway_machines", Help: "Virtual machines, by state.", Label: "state", Read: func(ctx context.Context) (map[string]float64, error) {
			list, err := w.Driver.List(ctx)
			n := map[string]float64{}
			for _, m := range list {
				n[string(m.State)]++
			}
			return n, err
		}},
	}
}

// flowLimits is how many jobs of a workflow run at once. Seals share one disk,
// imports wait for a slot of their own to boot.
var flowLimits = map[string]int{domain.FlowSnapshotSeal: 4, domain.FlowImageImport: 16, domain.FlowImageExport: 8, domain.FlowImportDisk: 3, domain.FlowExportImage: 2,
	domain.FlowBuilderStart: 16}

func announce(c ServeConfig, ln *listener, key *domain.AccessKey, stdout io.Writer) error {
	err := WriteClientFile(c.DataDir, ClientFile{
		Endpoint: ln.endpoint, CABundle: ln.bundle, Region: c.Region, AccessKeyID: key.Key.Name, SecretAccessKey: key.Secret, Account: key.Account,
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", clientFileName, err)
	}
	if c.ReadyFile != "" {
		if err := writeFileAtomic(c.ReadyFile, []byte(ln.endpoint+"\n"), 0o644); err != nil {
			return fmt.Errorf("write the ready file: %w", err)
		}
	}
	if c.DevCredentials {
		fmt.Fprintln(stdout, "WARNING: --dev-credentials: every access key is accepted, no signature is checked. Do not put this on a network.")
	}
	fmt.Fprintf(stdout, "Slipway answers at %s\nUse it:  eval \"$(slipway env --data-dir %s)\"\n", ln.endpoint, shellQuote(c.DataDir))
	return nil
}

func newLogger(c ServeConfig, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // Validate has checked the word
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// firstKey finds the administrator's access key, making account and key at the
// first start.
func firstKey(ctx context.Context, st store.Store, account string) (*domain.AccessKey, error) {
	var key *domain.AccessKey
	err := st.Update(ctx, func(tx store.Tx) error {
		keys, err := store.List[domain.AccessKey](tx, store.Query{Kind: domain.KindAccessKey, Alias: account})
		if err != nil {
			return err
		}
		for _, k := range keys {
			if k.User == "" && !k.Disabled {
				key = k
				return nil
			}
		}
		acc := &domain.Account{Note: "made at the first start"}
		acc.Key = domain.Key{Kind: domain.KindAccount, Name: account}
		if err := tx.Insert(acc); err != nil && !fault.Is(err, fault.Exists) {
			return err
		}
		key = &domain.AccessKey{Secret: domain.RandomIDs.Secret(), Account: account}
		key.Key = domain.Key{Kind: domain.KindAccessKey, Name: domain.RandomIDs.AccessKey()}
		return tx.Insert(key)
	})
	return key, err
}

// newHandler puts the one port together.
func newHandler(c ServeConfig, st store.Store, svc *service.Service, own http.Handler, after func(context.Context, *wire.Call, wire.Outcome), log *slog.Logger) http.Handler {
	return wire.NewServer(wire.Config{
		Services: api.Services(), Handlers: api.Handlers(svc, throttle.New(c.Limits)), After: after, Codecs: protocols.Codecs(),
		Verifier: protocols.Verifier(time.Now, api.Services()), Keys: lookup(svc, c), Explain: api.Explain,
		Now: time.Now, NewRequestID: domain.RandomIDs.UUID, Log: log, DevCredentials: c.DevCredentials, Own: own,
	})
}

func ownHandler(src admin.Source, figures *metrics.Metrics, pictures, screens http.Handler, st store.Store, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(wire.OwnAPIPrefix, admin.Handler(src, log))
	mux.Handle("GET "+iconsPath+"{token}", pictures)
	mux.Handle(streamPath, screens)
	mux.Handle("GET "+wire.OwnPrefix+"metrics", figures.Handler())
	mux.HandleFunc("GET "+wire.OwnPrefix+"healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET "+wire.OwnPrefix+"readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		// Jobs are never cached: this reads the file.
		if err := st.View(ctx, func(tx store.Tx) error { _, err := tx.Jobs(store.JobQuery{Limit: 1}); return err }); err != nil {
			log.Warn("not ready", "err", err)
			http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}

// lookup finds access keys. With --dev-credentials, keys nobody knows are the
// root's of the operator's account.
func lookup(svc *service.Service, c ServeConfig) wire.Keys {
	known := api.Keys(svc)
	if !c.DevCredentials {
		return known
	}
	return func(ctx context.Context, id string) (wire.Secret, error) {
		s, err := known(ctx, id)
		if errors.Is(err, wire.ErrUnknownKey) {
			return wire.Secret{Identity: wire.Identity{
				AccessKeyID: id, Account: c.Account, UserID: c.Account, Kind: string(domain.CallerRoot), ARN: domain.ARN("iam", "", c.Account, "root"),
			}}, nil
		}
		return s, err
	}
}

func stepCounts(flows []work.Workflow) func(string) int {
	n := map[string]int{}
	for _, f := range flows {
		n[f.Name()] = len(f.Steps())
	}
	return func(name string) int { return n[name] }
}
