// Go peer: sync, channels, goroutines. See Benchmarks/README.md for the workloads.
// Threads here are goroutines on GOMAXPROCS = number of cores.
package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type out struct {
	v    float64
	note string
}

func spin(x uint64, n int) uint64 {
	for i := 0; i < n; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}
func seed(i int) uint64 { return 88172645463325252 + uint64(i) }

var sink atomic.Uint64

// 1 warm-up + 5 repetitions, median by value
func median(f func() out) out {
	f()
	var v []out
	for i := 0; i < 5; i++ {
		v = append(v, f())
	}
	sort.Slice(v, func(i, j int) bool { return v[i].v < v[j].v })
	return v[2]
}
func nsPer(n int, f func()) out {
	t := time.Now()
	f()
	return out{float64(time.Since(t).Nanoseconds()) / float64(n), ""}
}
func perS(n int, f func()) out {
	t := time.Now()
	f()
	return out{float64(n) / time.Since(t).Seconds(), ""}
}
func team(t int, f func(int)) {
	var wg sync.WaitGroup
	wg.Add(t)
	for i := 0; i < t; i++ {
		go func() { f(i); wg.Done() }()
	}
	wg.Wait()
}
func contend(t int, op func(uint64) uint64) out {
	var stop atomic.Bool
	c := make([]uint64, t)
	start := time.Now()
	time.AfterFunc(200*time.Millisecond, func() { stop.Store(true) })
	team(t, func(i int) {
		x, n := seed(i), uint64(0)
		for !stop.Load() {
			x = op(x)
			n++
		}
		sink.Store(x)
		c[i] = n
	})
	sec := time.Since(start).Seconds()
	var sum uint64
	for _, n := range c {
		sum += n
	}
	share := func(n uint64) float64 { return float64(n) * float64(t) / float64(sum) }
	return out{float64(sum) / sec, fmt.Sprintf("share min %.2f max %.2f", share(slices.Min(c)), share(slices.Max(c)))}
}
func check(ok bool, what string) {
	if !ok {
		panic("wrong result: " + what)
	}
}

// queue traffic: p producers, c consumers, fixed shares, sums checked
func traffic(n, p, c int, send func(uint64), recv func() uint64) out {
	var total atomic.Uint64
	n = n / (p * c) * (p * c)
	r := perS(n, func() {
		team(p+c, func(i int) {
			if i < c {
				var s uint64
				for k := 0; k < n/c; k++ {
					s += recv()
				}
				total.Add(s)
			} else {
				for k := 0; k < n/p; k++ {
					send(uint64(k))
				}
			}
		})
	})
	k := uint64(n / p)
	check(total.Load() == uint64(p)*(k*(k-1)/2), "traffic")
	return r
}

// a cyclic barrier as a Go user would write it
type barrier struct {
	m         sync.Mutex
	c         *sync.Cond
	n, at, gen int
}

func newBarrier(n int) *barrier {
	b := &barrier{n: n}
	b.c = sync.NewCond(&b.m)
	return b
}
func (b *barrier) wait() {
	b.m.Lock()
	g := b.gen
	b.at++
	if b.at == b.n {
		b.at = 0
		b.gen++
		b.c.Broadcast()
	} else {
		for b.gen == g {
			b.c.Wait()
		}
	}
	b.m.Unlock()
}
func fib(n int) uint64 {
	if n < 2 {
		return uint64(n)
	}
	var a uint64
	var wg sync.WaitGroup
	wg.Add(1)
	go func() { a = fib(n - 1); wg.Done() }()
	b := fib(n - 2)
	wg.Wait()
	return a + b
}
func joins(n int) float64 {
	a, b := 0.0, 0.0
	for i := 1; i < n; i++ {
		a, b = b, a+b+1
	}
	return b
}
func mandelRow(y int) uint64 {
	ci := -1.5 + 3.0*float64(y)/1024
	var sum uint64
	for x := 0; x < 1024; x++ {
		cr := -2.0 + 3.0*float64(x)/1024
		zr, zi, i := 0.0, 0.0, 0
		for i < 500 && zr*zr+zi*zi <= 4.0 {
			zr, zi = zr*zr-zi*zi+cr, 2*zr*zi+ci
			i++
		}
		sum += uint64(i)
	}
	return sum
}
func p50(v []float64) float64 { sort.Float64s(v); return v[len(v)/2] }

type row struct {
	w    string
	t, n int
	unit string
}

var rows = []row{
	{"L1:sync", 1, 20000000, "ns/op"}, {"L2:sync", 2, 0, "ops/s"}, {"L2:sync", 4, 0, "ops/s"}, {"L2:sync", 8, 0, "ops/s"},
	{"R1:sync", 4, 0, "ops/s"}, {"R2:sync", 4, 0, "ops/s"}, {"C1:sync", 2, 100000, "round trips/s"},
	{"S1:chan", 1, 5000000, "ns/op"}, {"S2:chan", 4, 0, "ops/s"},
	{"B1:cond", 2, 100000, "crossings/s"}, {"B1:cond", 4, 50000, "crossings/s"}, {"E1:chan", 2, 200000, "round trips/s"},
	{"Q1/1/1p1c:chan", 2, 1000000, "msg/s"}, {"Q1/1/4p4c:chan", 8, 1000000, "msg/s"}, {"Q1/1/1p4c:chan", 5, 1000000, "msg/s"}, {"Q1/1/4p1c:chan", 5, 1000000, "msg/s"},
	{"Q1/64/1p1c:chan", 2, 2000000, "msg/s"}, {"Q1/64/4p4c:chan", 8, 2000000, "msg/s"}, {"Q1/64/1p4c:chan", 5, 2000000, "msg/s"}, {"Q1/64/4p1c:chan", 5, 2000000, "msg/s"},
	{"Q1/1024/1p1c:chan", 2, 2000000, "msg/s"}, {"Q1/1024/4p4c:chan", 8, 2000000, "msg/s"}, {"Q1/1024/1p4c:chan", 5, 2000000, "msg/s"}, {"Q1/1024/4p1c:chan", 5, 2000000, "msg/s"},
	{"Q3:chan", 2, 200000, "round trips/s"}, {"Q4:chan", 2, 2000000, "msg/s"},
	{"T1:goroutine", 1, 200000, "threads/s"}, {"T1:locked-thread", 1, 3000, "threads/s"},
	{"P1:go", 2, 1000000, "tasks/s"}, {"P1:chan-pool", 2, 1000000, "tasks/s"}, {"P1b:go-chan", 2, 300000, "tasks/s"},
	{"P2:go-chan", 2, 20000, "us p50"}, {"P2:chan-pool", 2, 20000, "us p50"}, {"P3:go", 2, 26, "joins/s"},
	{"P4:go", 2, 20000000, "ms"}, {"P5:go", 2, 1024, "ms"}, {"P6:chan-pool", 8, 1000, "ms"},
	{"P9/0ms:go", 2, 2000, "us p50"}, {"P9/1ms:go", 2, 300, "us p50"},
}

// a fixed pool of t goroutines fed by one channel
func chanPool(t int) chan func() {
	c := make(chan func(), 1024)
	for i := 0; i < t; i++ {
		go func() {
			for f := range c {
				f()
			}
		}()
	}
	return c
}

func run(w, v string, t, n int) out {
	switch {
	case w == "L1":
		return median(func() out {
			m, x := new(sync.Mutex), 0
			return nsPer(n, func() {
				for i := 0; i < n; i++ {
					m.Lock()
					x++
					m.Unlock()
				}
			})
		})
	case w == "L2":
		return median(func() out {
			var m sync.Mutex
			d := 0
			return contend(t, func(x uint64) uint64 {
				m.Lock()
				d++
				x = spin(x, 12)
				m.Unlock()
				return spin(x, 64)
			})
		})
	case w == "R1" || w == "R2":
		every, inside, outside := uint64(20), 12, 64
		if w == "R2" {
			every, inside, outside = 1000, 2, 4
		}
		return median(func() out {
			var m sync.RWMutex
			var d uint64
			return contend(t, func(x uint64) uint64 {
				if x%every == 0 {
					m.Lock()
					d++
					m.Unlock()
				} else {
					m.RLock()
					x = spin(x^(d&1), inside)
					m.RUnlock()
				}
				return spin(x, outside)
			})
		})
	case w == "C1":
		return median(func() out {
			var m sync.Mutex
			c := [2]*sync.Cond{sync.NewCond(&m), sync.NewCond(&m)}
			turn := 0
			return perS(n, func() {
				team(2, func(me int) {
					for i := 0; i < n; i++ {
						m.Lock()
						for turn != me {
							c[me].Wait()
						}
						turn = 1 - me
						m.Unlock()
						c[1-me].Signal()
					}
				})
			})
		})
	case w == "S1":
		return median(func() out {
			s := make(chan struct{}, 1)
			return nsPer(n, func() {
				for i := 0; i < n; i++ {
					s <- struct{}{}
					<-s
				}
			})
		})
	case w == "S2":
		return median(func() out {
			s := make(chan struct{}, 2)
			return contend(t, func(x uint64) uint64 {
				s <- struct{}{}
				x = spin(x, 12)
				<-s
				return spin(x, 64)
			})
		})
	case w == "B1":
		return median(func() out {
			b := newBarrier(t)
			return perS(n, func() {
				team(t, func(int) {
					for i := 0; i < n; i++ {
						b.wait()
					}
				})
			})
		})
	case w == "E1":
		return median(func() out {
			a, b := make(chan struct{}, 1), make(chan struct{}, 1)
			return perS(n, func() {
				team(2, func(i int) {
					for k := 0; k < n; k++ {
						if i == 0 {
							a <- struct{}{}
							<-b
						} else {
							<-a
							b <- struct{}{}
						}
					}
				})
			})
		})
	case strings.HasPrefix(w, "Q1/"):
		part := strings.Split(w, "/")
		size, _ := strconv.Atoi(part[1])
		p, c := int(part[2][0]-'0'), int(part[2][2]-'0')
		return median(func() out {
			q := make(chan uint64, size)
			return traffic(n, p, c, func(x uint64) { q <- x }, func() uint64 { return <-q })
		})
	case w == "Q3":
		return median(func() out {
			a, b := make(chan int, 1), make(chan int, 1)
			return perS(n, func() {
				team(2, func(i int) {
					for k := 0; k < n; k++ {
						if i == 0 {
							a <- k
							check(<-b == k, "ping-pong")
						} else {
							b <- <-a
						}
					}
				})
			})
		})
	case w == "Q4":
		return median(func() out {
			q := make(chan *uint64, 1024)
			return traffic(n, 1, 1, func(x uint64) { e := new(uint64); *e = x; q <- e }, func() uint64 { return *<-q })
		})
	case w == "T1" && v == "goroutine":
		return median(func() out {
			return perS(n, func() {
				for i := 0; i < n; i++ {
					done := make(chan struct{})
					go func() { close(done) }()
					<-done
				}
			})
		})
	case w == "T1":
		return median(func() out {
			return perS(n, func() {
				for i := 0; i < n; i++ {
					done := make(chan struct{})
					// a goroutine that ends while locked ends its OS thread too
					go func() { runtime.LockOSThread(); close(done) }()
					<-done
				}
			})
		})
	case w == "P1":
		return median(func() out {
			var wg sync.WaitGroup
			wg.Add(n)
			if v == "go" {
				return perS(n, func() {
					for i := 0; i < n; i++ {
						go wg.Done()
					}
					wg.Wait()
				})
			}
			p := chanPool(t)
			defer close(p)
			return perS(n, func() {
				for i := 0; i < n; i++ {
					p <- wg.Done
				}
				wg.Wait()
			})
		})
	case w == "P1b":
		return median(func() out {
			return perS(n, func() {
				f := make([]chan int, n)
				for i := range f {
					c := make(chan int, 1)
					f[i] = c
					go func() { c <- i }()
				}
				s := 0
				for _, c := range f {
					s += <-c
				}
				check(s == n*(n-1)/2, "futures")
			})
		})
	case w == "P2":
		return median(func() out {
			p := chanPool(t)
			defer close(p)
			l := make([]float64, 0, n)
			for i := 0; i < n; i++ {
				s := time.Now()
				c := make(chan int, 1)
				if v == "go-chan" {
					go func() { c <- i }()
				} else {
					p <- func() { c <- i }
				}
				check(<-c == i, "latency")
				l = append(l, float64(time.Since(s).Nanoseconds())/1e3)
			}
			return out{p50(l), ""}
		})
	case w == "P3":
		return median(func() out {
			s := time.Now()
			sink.Store(fib(n))
			sec := time.Since(s).Seconds()
			return out{joins(n) / sec, fmt.Sprintf("fib(%d) %.4f s", n, sec)}
		})
	case w == "P4":
		a := make([]float64, n)
		for i := range a {
			a[i] = float64(i)
		}
		part := func(a []float64) float64 {
			s := 0.0
			for _, x := range a {
				s += math.Sqrt(x)
			}
			return s
		}
		return median(func() out {
			s := time.Now()
			s1 := part(a)
			ms1 := time.Since(s).Seconds() * 1e3
			s = time.Now()
			r := make([]float64, t)
			team(t, func(i int) { r[i] = part(a[n*i/t : n*(i+1)/t]) })
			s2 := 0.0
			for _, x := range r {
				s2 += x
			}
			ms := time.Since(s).Seconds() * 1e3
			check(math.Abs(s1-s2) < 1e-6*s1, "sum")
			return out{ms, fmt.Sprintf("serial %.2f ms, x%.2f", ms1, ms1/ms)}
		})
	case w == "P5":
		return median(func() out {
			s := time.Now()
			var next, sum atomic.Uint64
			team(t, func(int) {
				for {
					y := int(next.Add(1) - 1)
					if y >= n {
						return
					}
					sum.Add(mandelRow(y))
				}
			})
			return out{time.Since(s).Seconds() * 1e3, fmt.Sprint("sum ", sum.Load())}
		})
	case strings.HasPrefix(w, "P9"):
		call := func(i int) uint64 { return spin(88172645463325252+uint64(i), 1000) }
		right := uint64(0)
		for i := 0; i < 32; i++ {
			right ^= call(i)
		}
		return median(func() out {
			l := make([]float64, 0, n)
			for i := 0; i < n; i++ {
				if strings.HasSuffix(w, "1ms") {
					time.Sleep(time.Millisecond)
				}
				s := time.Now()
				r := make([]uint64, t)
				team(t, func(k int) {
					for j := 32 * k / t; j < 32*(k+1)/t; j++ {
						r[k] ^= call(j)
					}
				})
				us := float64(time.Since(s).Nanoseconds()) / 1e3
				x := uint64(0)
				for _, y := range r {
					x ^= y
				}
				check(x == right, "result")
				l = append(l, us)
			}
			return out{p50(l), ""}
		})
	case w == "P6":
		return median(func() out {
			p := chanPool(t)
			defer close(p)
			s := time.Now()
			var wg sync.WaitGroup
			wg.Add(n)
			for i := 0; i < n; i++ {
				p <- func() { time.Sleep(time.Millisecond); wg.Done() }
			}
			wg.Wait()
			return out{time.Since(s).Seconds() * 1e3, ""}
		})
	}
	panic("no such row")
}

func main() {
	if len(os.Args) < 2 || os.Args[1] == "list" {
		for _, r := range rows {
			fmt.Println(r.w, r.t)
		}
		return
	}
	t := 0
	if len(os.Args) > 2 {
		t, _ = strconv.Atoi(os.Args[2])
	}
	var best *row
	for i := range rows {
		if rows[i].w == os.Args[1] && (best == nil || rows[i].t == t) {
			best = &rows[i]
		}
	}
	if best == nil {
		fmt.Fprintln(os.Stderr, "unknown workload; try: list")
		os.Exit(1)
	}
	if t == 0 {
		t = best.t
	}
	n := best.n
	if len(os.Args) > 3 {
		n, _ = strconv.Atoi(os.Args[3])
	}
	w, v, _ := strings.Cut(best.w, ":")
	o := run(w, v, t, n)
	fmt.Printf("%s\tgo-%s\t%d\t%.6f\t%s\t%s\n", w, v, t, o.v, best.unit, o.note)
}
